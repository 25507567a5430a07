/**
 * Remembers the calls that a log has, so that a call that is seen by `fetch` and by telemetry is logged once.
 *
 * @module
 */

/** Number of calls to remember. The telemetry of a call comes right after the call. */
const REMEMBERED_MAX = 10_000;

/** The way by which a call came into the log. */
export type CallSource = "fetch" | "AI SDK" | "OpenTelemetry";

/** A call that failed, and so has no response with an ID. */
interface Failure {
  readonly model: string | undefined;
  readonly source: CallSource;
  /** Time of its end, by `performance.now()`. */
  readonly ms: number;
}

/** The last calls of a log. */
export class SeenCalls {
  readonly #ids = new Set<string>();
  readonly #failures: Failure[] = [];

  /** Remembers a call by the ID of its response. */
  add(id: string): void {
    this.#ids.add(id);
    const [oldest] = this.#ids;
    if (this.#ids.size > REMEMBERED_MAX) this.#ids.delete(oldest!);
  }

  /** Checks whether a call with this response ID was logged. */
  has(id: string | undefined): boolean {
    return id !== undefined && this.#ids.has(id);
  }

  /** Remembers a call of a model that has failed now. */
  addFailure(model: string | undefined, source: CallSource): void {
    this.#failures.push({ model, source, ms: performance.now() });
    if (this.#failures.length > REMEMBERED_MAX) this.#failures.shift();
  }

  /**
   * Checks whether another source has logged a failed call of a model since `sinceMs` (of `performance.now()`). Nothing
   * ties two reports of a failure together. But a source that sees one call of a model sees the others at that time too.
   */
  hasFailure(model: string | undefined, sinceMs: number, source: CallSource): boolean {
    return this.#failures.some((each) =>
      each.model === model && each.source !== source && each.ms >= sinceMs
    );
  }
}
