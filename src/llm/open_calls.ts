/**
 * The model calls whose start the telemetry of the AI SDK has reported, and not their end.
 *
 * Invariant: all telemetry of a log shares them. So a call that several integrations report is logged by one of them.
 *
 * @module
 */
import { withinCall } from "./call_context.ts";
import { roundedMs } from "./event_values.ts";
import type { JsonObject } from "./json_values.ts";
import { RecentKeys } from "./recent_keys.ts";

/** Maximum number of calls without an end to keep. */
const OPEN_MAX = 10_000;

/** Number of calls that have ended to remember. A second event about the end comes right after the first. */
const ENDED_MAX = 1_000;

/** A call that has begun. */
export interface OpenCall {
  /** The integration that reported the start. */
  readonly owner: object;
  readonly event: JsonObject;
  /** Time of the start, by `performance.now()`. */
  readonly beganMs: number;
  /** Ends the watch for an abort. */
  readonly unwatch: () => void;
  /** `true` if its requests are sent within the call, so that `fetch` sees its ID. */
  isWithin: boolean;
}

/** A call that is not open any more. */
export interface TakenCall extends OpenCall {
  readonly durationMs: number;
  /** Time at which the oldest of the calls that may be this one began, by `performance.now()`. */
  readonly beganAfterMs: number;
}

/** The open calls of a log. */
export class OpenCalls {
  /** The calls by their key, oldest first. Version 6 has equal keys for calls at the same time. */
  readonly #open = new Map<string, OpenCall[]>();
  #count = 0;
  /** The keys of the last calls whose end was reported, or that were left before. */
  readonly #ended = new RecentKeys(ENDED_MAX);
  readonly #seenObjects = new WeakSet<object>();

  /** Checks whether an object is seen for the first time. The SDK passes some objects to all integrations. */
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
   * Adds a call. Calls `onAbort` when the signal of the event aborts before the call is taken.
   *
   * @returns The oldest call of all if there are now too many; otherwise `undefined`. It is not open any more.
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

  /** Runs a function as a part of the open call with this key. */
  within<T>(key: string, run: () => T): T {
    for (const call of this.#open.get(key) ?? []) call.isWithin = true;
    return withinCall(key, run);
  }

  /**
   * Removes the newest call with a key. Earlier ones of version 6 have failed, which it does not report.
   *
   * @returns The call; `undefined` if there is none.
   */
  take(key: string): TakenCall | undefined {
    const call = this.#open.get(key)?.at(-1);
    return call === undefined ? undefined : this.#remove(key, call);
  }

  /** Removes the calls of a generation. Its embedding calls have its ID and one of their own. */
  takeAll(id: string): TakenCall[] {
    const keys = [...this.#open.keys()].filter((key) => key === id || key.startsWith(`${id} `));
    return this.#removeAll(keys, () => true);
  }

  /** Removes the calls of an integration. Their ends, which another integration may report, are then ignored. */
  takeOf(owner: object): TakenCall[] {
    const keys = [...this.#open.keys()];
    const taken = this.#removeAll(keys, (call) => call.owner === owner);
    for (const key of keys) if (!this.#open.has(key)) this.#ended.add(key);
    return taken;
  }

  /** Checks whether a call with this key ended before it was reported to end, and forgets that. */
  wasLeft(key: string): boolean {
    return !this.#open.has(key) && this.#ended.delete(key);
  }

  /** Checks whether a call with this key has just ended. If not, remembers that it has now. */
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
