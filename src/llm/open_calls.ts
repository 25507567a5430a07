/**
 * The model calls whose start was reported by the telemetry of the AI SDK, but whose end was not reported yet.
 *
 * Invariant: all integrations of a log share these calls. So if several integrations report a call, only one of them
 * logs it.
 *
 * @module
 */
import { withinCall } from "./call_context.ts";
import { roundedMs } from "./event_values.ts";
import type { JsonObject } from "./json_values.ts";
import { RecentKeys } from "./recent_keys.ts";

/** Maximum number of calls without an end to keep, so that memory is bounded. */
const OPEN_MAX = 10_000;

/**
 * Number of ended calls to remember. Few are enough: if another integration reports the same end, it does so right
 * after the first.
 */
const ENDED_MAX = 1_000;

/** A model call that has begun and has not ended yet. */
export interface OpenCall {
  /** The integration that reported the start. */
  readonly owner: object;
  readonly event: JsonObject;
  /** Time of the start, by `performance.now()`. */
  readonly beganMs: number;
  /** Stops listening to the abort signal that the caller gave to the call. */
  readonly unwatch: () => void;
  /** `true` if the call runs in {@linkcode OpenCalls.within}, so that `auditedFetch()` can read its ID. */
  isWithin: boolean;
}

/** A model call that was removed from the open calls, because it has ended or its end is no longer expected. */
export interface TakenCall extends OpenCall {
  readonly durationMs: number;
  /**
   * Start of the oldest call that was open with the same key, by `performance.now()`. The reported end may belong to
   * the oldest call.
   */
  readonly beganAfterMs: number;
}

/** The open calls of a log: those that have begun and whose end is not reported yet. */
export class OpenCalls {
  /** The open calls by their key, oldest first. In AI SDK 6, calls that run at the same time may have the same key. */
  readonly #open = new Map<string, OpenCall[]>();
  #count = 0;
  /**
   * The keys of the last calls that have ended, that their abort signal has ended, or that {@linkcode takeOf} has
   * removed. A later report of their end is ignored.
   */
  readonly #ended = new RecentKeys(ENDED_MAX);
  readonly #seenObjects = new WeakSet<object>();

  /**
   * Checks whether an object is seen for the first time. The SDK passes some objects to all integrations, and only one
   * of them must log the object.
   */
  isNew(object: object): boolean {
    if (this.#seenObjects.has(object)) return false;
    this.#seenObjects.add(object);
    return true;
  }

  /** Checks whether a call with this key is open. */
  has(key: string): boolean {
    return this.#open.has(key);
  }

  /**
   * Adds a call. If the abort signal of the event aborts before the call has ended, removes the call and calls
   * `onAbort`.
   *
   * @returns The oldest open call, if it was removed because there were too many; otherwise `undefined`.
   */
  add(
    key: string,
    owner: object,
    event: JsonObject,
    onAbort: (call: TakenCall) => void,
  ): TakenCall | undefined {
    const { abortSignal: signal } = event;
    const abort = () => {
      const taken = this.#remove(key, call);
      if (taken === undefined) return;
      this.#ended.add(key);
      onAbort(taken);
    };
    const call: OpenCall = {
      owner,
      event,
      beganMs: performance.now(),
      unwatch: () => signal instanceof AbortSignal && signal.removeEventListener("abort", abort),
      isWithin: false,
    };
    if (signal instanceof AbortSignal) signal.addEventListener("abort", abort, { once: true });
    this.#ended.delete(key);
    this.#open.set(key, [...this.#open.get(key) ?? [], call]);
    this.#count++;
    if (this.#count <= OPEN_MAX) return undefined;
    const [oldestKey] = this.#open.keys();
    return this.#remove(oldestKey!, this.#open.get(oldestKey!)![0]!);
  }

  /** Runs a function as a part of the open call with this key, so that `auditedFetch()` can read the ID of the call. */
  within<T>(key: string, run: () => T): T {
    for (const call of this.#open.get(key) ?? []) call.isWithin = true;
    return withinCall(key, run);
  }

  /**
   * Removes the newest open call with a key. In AI SDK 6, older calls with the same key may have failed, because this
   * version does not report the end of a failed call.
   *
   * @returns The removed call; `undefined` if no call with this key is open.
   */
  take(key: string): TakenCall | undefined {
    const call = this.#open.get(key)?.at(-1);
    return call === undefined ? undefined : this.#remove(key, call);
  }

  /**
   * Removes the open calls of a generation and returns them. The key of a call is the ID of its generation, or begins
   * with the ID and a space.
   */
  takeAll(id: string): TakenCall[] {
    const keys = [...this.#open.keys()].filter((key) => key === id || key.startsWith(`${id} `));
    return this.#removeAll(keys, () => true);
  }

  /**
   * Removes the open calls of an integration and returns them. Another integration may report their ends later; these
   * reports are ignored.
   */
  takeOf(owner: object): TakenCall[] {
    const keys = [...this.#open.keys()];
    const taken = this.#removeAll(keys, (call) => call.owner === owner);
    for (const key of keys) if (!this.#open.has(key)) this.#ended.add(key);
    return taken;
  }

  /**
   * Checks whether a call with this key was aborted or removed before its end was reported. Forgets the key, because a
   * later call may have the same.
   */
  wasLeft(key: string): boolean {
    return !this.#open.has(key) && this.#ended.delete(key);
  }

  /**
   * Checks whether the end of the call with this key was already reported. If not, remembers that the end is reported
   * now.
   */
  hasEnded(key: string): boolean {
    if (this.#ended.has(key)) return true;
    this.#ended.add(key);
    return false;
  }

  #removeAll(keys: readonly string[], isWanted: (call: OpenCall) => boolean): TakenCall[] {
    return keys
      .flatMap((key) =>
        this.#open.get(key)!.filter(isWanted).map((call) => this.#remove(key, call))
      )
      .filter((call) => call !== undefined);
  }

  #remove(key: string, call: OpenCall): TakenCall | undefined {
    const calls = this.#open.get(key) ?? [];
    if (!calls.includes(call)) return undefined;
    const rest = calls.filter((each) => each !== call);
    if (rest.length === 0) this.#open.delete(key);
    else this.#open.set(key, rest);
    this.#count--;
    call.unwatch();
    return {
      ...call,
      durationMs: roundedMs(performance.now() - call.beganMs),
      beganAfterMs: calls[0]!.beganMs,
    };
  }
}
