/**
 * Follows a log: yields its events as they are written, in the order of appending, without end.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";
import { checkOptions, integer, type OptionChecks } from "../options/option_checks.ts";
import type { TimeLike } from "../time.ts";
import type { Clock } from "../platform/clock.ts";
import type { Damage } from "./damage.ts";
import { DirectoryChanges } from "./directory_changes.ts";
import { type EventFilter, eventFilter, FILTER_OPTION_CHECKS } from "./filter.ts";
import type { LineSource } from "./line_source.ts";
import { LogCursor } from "./log_cursor.ts";
import type { ArchiveTaker } from "./whole_archives.ts";

/** Options of `follow()`. An event is yielded if it matches every option that is set. */
export interface FollowOptions {
  /**
   * Starts with the events at or after this instant that are already in the log. Events without a readable time then
   * never match. Without `since` and `last`, the iteration yields only events that are written after its start. Cannot
   * be combined with `last`.
   *
   * @default {undefined}
   */
  since?: TimeLike;
  /**
   * Maximum number of events to start with: the last matching events that are already in the log. An integer >= 0, or
   * `Infinity` for all matching events. Cannot be combined with `since`.
   *
   * @default {0}
   */
  last?: number;
  /**
   * Selects the events of this type, or of one of these types. Without `eventType`, events of every type match.
   *
   * @default {undefined}
   */
  eventType?: string | readonly string[];
  /**
   * Selects the events with this `session_id`. Without `sessionId`, events of every session match.
   *
   * @default {undefined}
   */
  sessionId?: string;
  /**
   * Selects the events for which this function returns `true`. If the function throws, the iteration throws the same
   * error. Without `where`, every event matches.
   *
   * @default {undefined}
   */
  where?: (event: AuditEvent) => boolean;
  /**
   * Ends the iteration when the signal aborts: the iteration closes its files and throws the reason of the signal.
   * Without a signal, the iteration ends at `break` and when the log or reader is closed.
   *
   * @default {undefined}
   */
  signal?: AbortSignal;
}

/** The events of a log as they are written. An iteration starts when its first event is requested. */
export interface AuditFollow extends AsyncIterable<AuditEvent> {
  /**
   * The unreadable regions that all iterations have found so far. An archive without a matching event may be skipped;
   * its damage is then not listed.
   */
  readonly damage: readonly Damage[];
}

/** A log to follow, and its clock. */
export interface FollowSource extends LineSource {
  readonly clock: Clock;
  /** A signal that aborts when the reader is closed. The iteration then ends without an error. */
  readonly closing?: AbortSignal | undefined;
}

const OPTION_CHECKS: OptionChecks<FollowOptions> = {
  ...FILTER_OPTION_CHECKS,
  last: integer(0, true),
};

/**
 * Returns the events of a log as they are written, until the reader is closed. If the log does not exist, the iteration
 * waits until the log is created.
 *
 * @param more.taker An object of the caller that decides, for each archive that is in the log when the iteration starts,
 *   whether the caller uses the stored sums of the archive. The events of such an archive are not read.
 * @param more.onCaughtUp Called when the iteration has yielded all events of the log for the first time.
 * @throws {TypeError} If an option is unknown or of the wrong type, or if both `since` and `last` are set; the message
 *   names the option.
 * @throws {RangeError} If an option is out of its range; the message names the option.
 */
export function followLog(
  source: FollowSource,
  options: FollowOptions = {},
  { taker, onCaughtUp }: {
    readonly taker?: ArchiveTaker | undefined;
    readonly onCaughtUp?: (() => void) | undefined;
  } = {},
): AuditFollow {
  checkOptions(options, OPTION_CHECKS, "follow audit log");
  const { since, last = 0, signal } = options;
  if (since !== undefined && options.last !== undefined) {
    throw new TypeError(
      "Cannot follow audit log: the options since and last are both set; omit one of them",
    );
  }
  const filter = eventFilter(options);
  const beginning = since === undefined && last !== Infinity ? { last } : "history";
  const damage: Damage[] = [];
  return {
    [Symbol.asyncIterator]: () =>
      new Following(source, { filter, signal, damage, beginning, taker, onCaughtUp }),
    damage,
  };
}

interface FollowingOptions {
  readonly filter: EventFilter;
  readonly signal: AbortSignal | undefined;
  /** The list to which damaged regions are added. */
  readonly damage: Damage[];
  /**
   * The events to start with: all matching events that are already in the log, or at most the newest `last` of them.
   */
  readonly beginning: "history" | { readonly last: number };
  readonly taker: ArchiveTaker | undefined;
  /** Called when all events of the log have been yielded for the first time. */
  readonly onCaughtUp: (() => void) | undefined;
}

/**
 * One iteration over the events of a followed log. Unlike a generator, the iteration can be ended while a call of
 * next() is pending.
 */
class Following implements AsyncIterator<AuditEvent, void> {
  readonly #options: FollowingOptions;
  readonly #closing: AbortSignal | undefined;
  readonly #changes: DirectoryChanges;
  readonly #cursor: LogCursor;
  readonly #events: AsyncGenerator<AuditEvent, void> = this.#run();
  readonly #ending = new AbortController();
  #isReturned = false;

  constructor(source: FollowSource, options: FollowingOptions) {
    this.#options = options;
    this.#closing = source.closing;
    this.#changes = new DirectoryChanges(source.log, source.clock);
    this.#cursor = new LogCursor(source, { ...options, signal: this.#ending.signal });
  }

  async next(): Promise<IteratorResult<AuditEvent, void>> {
    this.#changes.attend();
    const result = await this.#events.next();
    if (this.#isReturned || this.#closing?.aborted) return { done: true, value: undefined };
    // After the signal has aborted, no event is returned, even if the event was found before.
    this.#options.signal?.throwIfAborted();
    if (!result.done) this.#changes.rest();
    return result;
  }

  async return(): Promise<IteratorResult<AuditEvent, void>> {
    this.#isReturned = true;
    await this.#end();
    return { done: true, value: undefined };
  }

  /**
   * Ends the iteration. Resolves when the watcher and all files are closed. If a call of next() is pending, that call
   * ends first and closes the files.
   */
  async #end(): Promise<void> {
    this.#ending.abort();
    this.#changes.close();
    await this.#events.return();
  }

  async *#run(): AsyncGenerator<AuditEvent, void> {
    const { signal, filter } = this.#options;
    if (this.#closing?.aborted) return;
    signal?.throwIfAborted();
    const end = () => void this.#end();
    const signals = [signal, this.#closing];
    for (const each of signals) each?.addEventListener("abort", end);
    try {
      for await (const events of this.#batches()) {
        for (const event of events) if (filter.matches(event)) yield event;
      }
    } catch (error) {
      // The end of the iteration aborts the current reading, so the error of that reading is not a failure.
      if (!this.#ending.signal.aborted) throw error;
    } finally {
      for (const each of signals) each?.removeEventListener("abort", end);
      this.#changes.close();
      this.#cursor.close();
    }
  }

  async *#batches(): AsyncGenerator<AuditEvent[], void> {
    const { beginning, onCaughtUp } = this.#options;
    let isCaughtUp = false;
    if (beginning !== "history") yield await this.#cursor.goToEnd(beginning.last);
    while (!this.#ending.signal.aborted) {
      const hasMoved = yield* this.#cursor.read();
      if (hasMoved) this.#changes.retryWatching();
      else if (!this.#ending.signal.aborted) {
        if (!isCaughtUp) onCaughtUp?.();
        isCaughtUp = true;
        await this.#changes.wait();
      }
    }
  }
}
