/**
 * Spans: pairs of events that log the beginning and the end of a call.
 *
 * Invariant: a span has at most one end in the log. `end()` can be called again only if the event of the previous call
 * is certainly not in the log.
 *
 * @module
 */
import {
  BEGIN_SUFFIX,
  checkNotReserved,
  type EventType,
  fieldError,
  type KnownFields,
} from "./event.ts";
import type { Budget } from "./budget/budget.ts";
import type { BudgetOptions } from "./budget/budget_options.ts";
import type { Logger } from "./logger.ts";
import type { Clock } from "./platform/clock.ts";
import type { LineCaller } from "./write/acknowledgements.ts";
import { type Fields, mergeFields } from "./write/merge_fields.ts";
import { type EndRecorder, SingleEnd } from "./write/single_end.ts";

/**
 * A call that has begun, such as a tool call or a model call. `begin()` has logged an event of the type `X_begin`, and
 * {@linkcode AuditSpan.end} logs an event of the type `X` with the same `span`. If the log has only the first of the
 * two events, the call still runs, or its process died.
 *
 * If you declare the span with `await using` and leave the block without `end()`, the span logs its end with the status
 * "aborted". It cannot log the reason, because JavaScript does not pass a thrown error to a disposed object. To log the
 * error, catch it and call `end({ status: "error", error })`.
 */
export interface AuditSpan extends AsyncDisposable {
  /** ID of the span: the field `span` of its two events. */
  readonly id: string;

  /**
   * Logs the beginning of a new span within this span. The two events of the new span have this span's ID as `parent`,
   * and the fields that the logger of this span adds to each of its events.
   *
   * @param event The type of the event that ends the span; see {@linkcode AuditLogger.begin}.
   * @param fields The fields of the event that begins the span; by default none.
   * @returns A promise of the span, which resolves when the line of its beginning is written.
   * @throws {AuditEventError} If the type or a field is invalid, or `fields` has `cost`, `span` or `parent`.
   * @throws {AuditWriteError} If the line could not be written.
   * @throws {AuditClosedError} If the log is closed.
   */
  begin<T extends object>(
    event: EventType | (string & Record<never, never>),
    fields?: T & KnownFields,
  ): Promise<AuditSpan>;

  /**
   * Logs the end of the span: an event with the fields that the logger adds to each event, and with `span`, `parent`,
   * `duration_ms` (from a monotonic clock) and `status` "ok". `fields` can set other values of `duration_ms` and
   * `status`. The fields of `begin()` are not repeated; `scout query --spans` shows both events as one row.
   *
   * @param fields Fields of the event, such as `cost`; by default none.
   * @returns A promise that resolves when the line of the end is written.
   * @throws {AuditEventError} If a field is invalid, or `fields` has `span` or `parent`. The span can then still be
   *   ended.
   * @throws {AuditWriteError} If the line could not be written or made durable.
   * @throws {AuditClosedError} If the log is closed.
   * @throws {Error} If the span has been ended.
   */
  end<T extends object>(fields?: T & KnownFields): Promise<void>;
}

/** The parts of a log that its spans and its child loggers use. */
export interface Recorder extends EndRecorder {
  /** The clock that measures durations. */
  readonly clock: Pick<Clock, "monotonicMs">;
  /** Absolute path of the active file. */
  readonly path: string;
  /** The logger for messages about the log. */
  readonly logger: Logger;
  /**
   * Logs an event as {@linkcode AuditLog.log} does. If the event is invalid or the log is closed, rejects the promise
   * of the caller.
   */
  accept(caller: LineCaller, event: unknown, fields: object): void;
  /**
   * Declares a budget. Each hold of the budget (an amount that a call reserves) gets the bound fields of the logger;
   * the fields of the hold override them.
   */
  budget(options: BudgetOptions, bound: Fields): Promise<Budget>;
}

/** The beginning of a span, before it is logged. */
export interface Beginning {
  /** Type of the event that ends the span, as the caller passed it. */
  readonly event: unknown;
  readonly fields: object;
  readonly bound: Fields;
  /** ID of the span that contains this span. */
  readonly parent?: string;
}

/** Logs the beginning of a span. Resolves with the span when the line is written. */
export function beginSpan(recorder: Recorder, beginning: Beginning): Promise<AuditSpan> {
  const beganMs = recorder.clock.monotonicMs();
  const { event, fields, bound, parent } = beginning;
  const { promise, resolve, reject } = Promise.withResolvers<AuditSpan>();
  // The log settles the promise of the span directly when it writes the line, without a promise in between. So the
  // caller continues in the event-loop turn in which the line is written.
  const caller = { promise, resolve: () => resolve(span), reject };
  let span: Span;
  try {
    const type = checkedType(event);
    const begun = mergeFields(bound, fields);
    checkFree(fields, begun, NOT_AT_BEGIN);
    const { session_id } = begun;
    span = new Span(recorder, {
      event: type,
      bound: session_id === bound.session_id ? bound : { ...bound, session_id },
      parent,
      beganMs,
    });
    // The cost of a call is known at its end. So if the logger adds a cost to each of its events, the beginning is
    // logged without the cost.
    if ("cost" in begun) begun.cost = undefined;
    recorder.accept(caller, type + BEGIN_SUFFIX, span.withIds(begun));
  } catch (error) {
    recorder.refuse(caller, error);
  }
  return promise;
}

/**
 * Names of the fields that a caller must not pass to `begin()`: the cost is known only at the end of the call, and the
 * span sets the two IDs.
 */
const NOT_AT_BEGIN = ["cost", "span", "parent"];
/** Names of the fields that a caller must not pass to `end()`, because the span sets them. */
const NOT_AT_END = ["span", "parent"];

class Span implements AuditSpan {
  readonly id: string = crypto.randomUUID();
  readonly #recorder: Recorder;
  readonly #event: string;
  readonly #bound: Fields;
  readonly #parent: string | undefined;
  readonly #beganMs: number;
  readonly #end: SingleEnd;

  constructor(
    recorder: Recorder,
    { event, bound, parent, beganMs }: {
      event: string;
      bound: Fields;
      parent: string | undefined;
      beganMs: number;
    },
  ) {
    this.#recorder = recorder;
    this.#event = event;
    this.#bound = bound;
    this.#parent = parent;
    this.#beganMs = beganMs;
    this.#end = new SingleEnd(
      recorder,
      (type) =>
        `Cannot end span: end() was already called, got a second call for ${type} ${this.id}`,
    );
  }

  begin(event: string, fields: object = {}): Promise<AuditSpan> {
    const bound = this.#bound;
    return beginSpan(this.#recorder, { event, fields, bound, parent: this.id });
  }

  end(fields: object = {}): Promise<void> {
    return this.#end.log(this.#event, () => this.#endFields(fields));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end.logIfNone(this.#event, () => this.#endFields({ status: "aborted" }));
  }

  #endFields(fields: object): Fields {
    const ended = mergeFields(this.#bound, fields);
    checkFree(fields, ended, NOT_AT_END);
    // A bound field is the same for all events of a logger, so a bound duration or status does not describe this call.
    // Only the fields that the caller passed to end() count.
    if (!isSet("duration_ms", fields, ended)) ended.duration_ms = this.#durationMs();
    if (!isSet("status", fields, ended)) ended.status = "ok";
    return this.withIds(ended);
  }

  /** Adds the ID of this span, and of the span that contains it, to the fields of its first or its last event. */
  withIds(fields: Record<string, unknown>): Fields {
    fields.span = this.id;
    if (this.#parent !== undefined || "parent" in fields) fields.parent = this.#parent;
    return fields;
  }

  /** Returns the milliseconds since the beginning of the span, rounded to microseconds. */
  #durationMs(): number {
    return Math.round((this.#recorder.clock.monotonicMs() - this.#beganMs) * 1000) / 1000;
  }
}

/** Checks the type of the event that ends a span, and returns it. */
function checkedType(event: unknown): string {
  if (typeof event !== "string" || event === "") {
    throw fieldError("event", event, "be a non-empty string");
  }
  checkNotReserved(event);
  if (event.endsWith(BEGIN_SUFFIX)) {
    throw fieldError("event", event, `not end with ${BEGIN_SUFFIX}, which begin() adds`);
  }
  return event;
}

/**
 * Checks whether the fields that the caller passed set the field `name` to a value other than `undefined` and `null`.
 * `merged` contains the bound fields of the logger, overridden by the fields of the caller.
 */
function isSet(name: string, fields: object, merged: Fields): boolean {
  return Object.hasOwn(fields, name) && merged[name] !== undefined && merged[name] !== null;
}

/**
 * Checks that the caller's fields set none of the fields with these names. `merged` contains the bound fields of the
 * logger, overridden by the fields of the caller.
 */
function checkFree(fields: object, merged: Fields, names: readonly string[]): void {
  for (const name of names) {
    if (!isSet(name, fields, merged)) continue;
    const value = merged[name];
    const demand = name === "cost"
      ? "be passed to end(), not to begin()"
      : "not be set, because the span sets it";
    throw fieldError(name, value, demand);
  }
}
