/**
 * Following a log: its events as they come, in the order of appending, without an end.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";
import { LogFiles } from "../segments/segment_name.ts";
import type { Clock, TimeLike } from "../time.ts";
import { DirectoryChanges } from "./directory_changes.ts";
import { type EventFilter, eventFilter } from "./filter.ts";
import { LogCursor, type LogCursorSource } from "./log_cursor.ts";

/** What to follow. */
export interface FollowOptions {
  /**
   * Begin with the events from this instant on that are in the log already; by default only events
   * come that are written after the iteration has begun.
   */
  since?: TimeLike;
  /** Events of this type, or of one of these. */
  eventType?: string | readonly string[];
  /** Events of this session. */
  sessionId?: string;
  /** Events for which this is true. */
  where?: (event: AuditEvent) => boolean;
  /** Ends the iteration with its reason when aborted. */
  signal?: AbortSignal;
}

/** Where to follow. */
export interface FollowSource extends LogCursorSource {
  readonly clock: Clock;
}

/**
 * Makes the events of a log as they come, without an end; each iteration begins when its first event
 * is asked for. A log that is not there is waited for.
 *
 * @throws {RangeError} or {@linkcode TypeError} for an option out of its range, naming it.
 */
export function followLog(
  source: FollowSource,
  options: FollowOptions = {},
): AsyncIterable<AuditEvent> {
  const filter = eventFilter(options);
  const { signal } = options;
  const isFromNow = options.since === undefined;
  return {
    [Symbol.asyncIterator]: () => new Following(source, { filter, signal, isFromNow }),
  };
}

interface FollowingOptions {
  readonly filter: EventFilter;
  readonly signal: AbortSignal | undefined;
  readonly isFromNow: boolean;
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
    if (this.#isReturned) return { done: true, value: undefined };
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
    const { signal, filter } = this.#options;
    signal?.throwIfAborted();
    const end = () => void this.#end();
    signal?.addEventListener("abort", end);
    try {
      for await (const events of this.#batches()) {
        for (const event of events) if (filter.matches(event)) yield event;
      }
    } catch (error) {
      // What ends with the iteration is no failure of it.
      if (!this.#ending.signal.aborted) throw error;
    } finally {
      signal?.removeEventListener("abort", end);
      this.#changes.close();
      this.#cursor.close();
    }
  }

  async *#batches(): AsyncGenerator<AuditEvent[], void> {
    if (this.#options.isFromNow) this.#cursor.goToEnd();
    while (!this.#ending.signal.aborted) {
      const hasMoved = yield* this.#cursor.read();
      if (hasMoved) this.#changes.retryWatching();
      else if (!this.#ending.signal.aborted) await this.#changes.wait();
    }
  }
}
