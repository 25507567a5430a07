/**
 * Following a log: its events as they come, in the order of appending, without an end.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";
import { checkOptions, integer, type OptionChecks } from "../options/option_checks.ts";
import { LogFiles } from "../segments/segment_name.ts";
import type { TimeLike } from "../time.ts";
import type { Clock } from "../platform/clock.ts";
import type { Damage } from "./damage.ts";
import { DirectoryChanges } from "./directory_changes.ts";
import { type EventFilter, eventFilter, FILTER_OPTION_CHECKS } from "./filter.ts";
import { LogCursor, type LogCursorSource } from "./log_cursor.ts";

/** What to follow. */
export interface FollowOptions {
  /**
   * Begin with the events from this instant on that are in the log already; by default only events
   * come that are written after the iteration has begun.
   */
  since?: TimeLike;
  /**
   * Begin with the last events that match and are in the log already, so many of them, `Infinity` for
   * all; not together with `since`.
   */
  last?: number;
  /** Events of this type, or of one of these. */
  eventType?: string | readonly string[];
  /** Events of this session. */
  sessionId?: string;
  /** Events for which this is true. */
  where?: (event: AuditEvent) => boolean;
  /** When aborted, the iteration throws its reason. */
  signal?: AbortSignal;
}

/** The events of a log as they come; each iteration begins when its first event is asked for. */
export interface AuditFollow extends AsyncIterable<AuditEvent> {
  /** What could not be read so far; what is elsewhere in the files was. */
  readonly damage: readonly Damage[];
}

/** Where to follow. */
export interface FollowSource extends LogCursorSource {
  readonly clock: Clock;
  /** Aborted when the reader is closed, which ends the iteration normally. */
  readonly closing?: AbortSignal | undefined;
}

const OPTION_CHECKS: OptionChecks<FollowOptions> = {
  ...FILTER_OPTION_CHECKS,
  last: integer(0, true),
};

/**
 * Returns the events of a log as they come, until the reader is closed. A log that is not there is waited for.
 *
 * @throws {TypeError} If an option is unknown or of the wrong type; names it.
 * @throws {RangeError} If an option is out of its range; names it.
 */
export function followLog(
  source: FollowSource,
  options: FollowOptions = {},
): AuditFollow {
  checkOptions(options, OPTION_CHECKS, "follow audit log");
  const { since, last = 0, signal } = options;
  if (since !== undefined && options.last !== undefined) {
    throw new TypeError("Cannot follow audit log: since and last must not be given together");
  }
  const filter = eventFilter(options);
  const beginning = since === undefined && last !== Infinity ? { last } : "history";
  const damage: Damage[] = [];
  return {
    [Symbol.asyncIterator]: () => {
      const { closing } = source;
      return new Following({ ...source, damage }, { filter, signal, closing, beginning });
    },
    damage,
  };
}

interface FollowingOptions {
  readonly filter: EventFilter;
  readonly signal: AbortSignal | undefined;
  readonly closing: AbortSignal | undefined;
  /** All that is in the log and matches, or the last of it. */
  readonly beginning: "history" | { readonly last: number };
}

/** One iteration. Unlike a generator it ends while a next() waits. */
class Following implements AsyncIterator<AuditEvent, void> {
  readonly #options: FollowingOptions;
  readonly #changes: DirectoryChanges;
  readonly #cursor: LogCursor;
  readonly #events: AsyncGenerator<AuditEvent, void> = this.#run();
  readonly #ending = new AbortController();
  #isReturned = false;

  constructor(source: FollowSource, options: FollowingOptions) {
    const { directory } = new LogFiles(source.path);
    this.#options = options;
    this.#changes = new DirectoryChanges({ ...source, directory });
    this.#cursor = new LogCursor(source, options.filter, this.#ending.signal);
  }

  async next(): Promise<IteratorResult<AuditEvent, void>> {
    this.#changes.attend();
    const result = await this.#events.next();
    const { closing } = this.#options;
    if (this.#isReturned || closing?.aborted) return { done: true, value: undefined };
    // What was at hand when it was aborted does not come any more.
    this.#options.signal?.throwIfAborted();
    if (!result.done) this.#changes.rest();
    return result;
  }

  async return(): Promise<IteratorResult<AuditEvent, void>> {
    this.#isReturned = true;
    await this.#end();
    return { done: true, value: undefined };
  }

  /** Resolves when everything is closed, which a next() that runs sees to. */
  async #end(): Promise<void> {
    this.#ending.abort();
    this.#changes.close();
    await this.#events.return();
  }

  async *#run(): AsyncGenerator<AuditEvent, void> {
    const { signal, closing, filter } = this.#options;
    if (closing?.aborted) return;
    signal?.throwIfAborted();
    const end = () => void this.#end();
    const signals = [signal, closing];
    for (const each of signals) each?.addEventListener("abort", end);
    try {
      for await (const events of this.#batches()) {
        for (const event of events) if (filter.matches(event)) yield event;
      }
    } catch (error) {
      // What ends with the iteration is no failure of it.
      if (!this.#ending.signal.aborted) throw error;
    } finally {
      for (const each of signals) each?.removeEventListener("abort", end);
      this.#changes.close();
      this.#cursor.close();
    }
  }

  async *#batches(): AsyncGenerator<AuditEvent[], void> {
    const { beginning } = this.#options;
    if (beginning !== "history") yield await this.#cursor.goToEnd(beginning.last);
    while (!this.#ending.signal.aborted) {
      const hasMoved = yield* this.#cursor.read();
      if (hasMoved) this.#changes.retryWatching();
      else if (!this.#ending.signal.aborted) await this.#changes.wait();
    }
  }
}
