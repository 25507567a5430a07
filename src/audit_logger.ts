/**
 * Loggers with bound fields: fields that a logger adds to each of its events. A logger writes into the log whose
 * `child()` created it.
 *
 * @module
 */
import { type AuditSpan, beginSpan, type Recorder } from "./audit_span.ts";
import type { Budget } from "./budget/budget.ts";
import type { BudgetOptions } from "./budget/budget_options.ts";
import {
  type EventType,
  fieldError,
  type KnownFields,
  RESERVED_FIELD,
  reservedFieldError,
} from "./event.ts";
import { unfitReason } from "./fields/known_fields.ts";
import { type Fields, mergeFields } from "./write/merge_fields.ts";

/**
 * Logs events. An {@linkcode AuditLog} is a logger. {@linkcode AuditLogger.child} returns a logger with bound fields
 * (fields that it adds to each of its events), which writes into the same log.
 *
 * @example
 * ```ts
 * import { AuditLog } from "@vivarium/scout";
 * import { assertEquals } from "@std/assert";
 *
 * await using log = await AuditLog.open(`${Deno.makeTempDirSync()}/audit.jsonl`);
 * const critic = log.child({ agent: "critic" });
 * {
 *   await using call = await critic.begin("tool_call", { tool: "search" });
 *   await call.end({ cost: 0.002 });
 * }
 * const [begun, ended] = await log.query().toArray();
 * assertEquals([begun?.event, ended?.event], ["tool_call_begin", "tool_call"]);
 * assertEquals([begun?.agent, ended?.agent], ["critic", "critic"]);
 * assertEquals([begun?.tool, ended?.status, ended?.cost], ["search", "ok", 0.002]);
 * ```
 */
export interface AuditLogger {
  /**
   * Logs an event, with the bound fields of the logger. A field of the call overrides the bound field of the same name.
   * If the field of the call is `undefined` or `null`, the event does not have the field. See {@linkcode AuditLog.log}.
   *
   * @param event The type of the event: any non-empty string.
   * @param fields The object whose own enumerable properties become the fields of the event; by default none.
   * @returns A promise that resolves when the event is written.
   * @throws {AuditEventError} If a known field is of the wrong type, or the fields are not a record.
   * @throws {AuditWriteError} If the line could not be written or made durable.
   * @throws {AuditClosedError} If the log is closed.
   */
  log<T extends object>(
    event: EventType | (string & Record<never, never>),
    fields?: T & KnownFields,
  ): Promise<void>;

  /**
   * Logs the beginning of a call, an event of the type `X_begin` with a new ID in the field `span`. After a crash, the
   * begin events without an end event show which calls were running.
   *
   * @param event The type `X` of the event that ends the span: any non-empty string that does not end in `_begin`.
   * @param fields The fields of the event that begins the span; by default none. The event that ends the span gets the
   *   same `session_id`, unless `end()` sets another. Other fields that
   *   both events need, such as `agent`, belong to the logger: `log.child({ agent }).begin(...)`.
   * @returns A promise of the span, which resolves when the line of its beginning is written.
   * @throws {AuditEventError} If the type or a field is invalid, or `fields` has `cost`, `span` or `parent`.
   * @throws {AuditWriteError} If the line could not be written or made durable.
   * @throws {AuditClosedError} If the log is closed.
   */
  begin<T extends object>(
    event: EventType | (string & Record<never, never>),
    fields?: T & KnownFields,
  ): Promise<AuditSpan>;

  /**
   * Returns a logger that adds the fields to every event. Its own child loggers inherit the fields. A child logger or a
   * single call can override them.
   *
   * @param fields The fields to add, which may include `session_id`. They are copied when you call `child()`.
   * @returns The logger. You do not close it; it works until the log is closed.
   * @throws {AuditEventError} If a known field is of the wrong type, or the fields are not a record.
   */
  child<T extends object>(fields: T & KnownFields): AuditLogger;

  /**
   * Declares a budget, a limit on the amount that calls may spend. All processes that use the same name on this log
   * share the budget. A new budget with a rolling window already counts the costs of the events in its window. The
   * limit stays until a process declares another limit.
   *
   * @param options The name, the limit, and the window or the start.
   * @returns A promise of the budget, which resolves when the limit is in the log.
   * @throws {TypeError} If an option is unknown, missing or of the wrong type, or a budget of this name has another
   *   unit, window, start or `where`.
   * @throws {RangeError} If an option is out of its range.
   * @throws {BudgetError} If the log cannot be written; the kind is "unwritable".
   * @throws {AuditClosedError} If the log is closed.
   */
  budget(options: BudgetOptions): Promise<Budget>;
}

/** The parts of a logger that other exports, such as `./llm`, use. */
export interface LoggerOrigin {
  /** The log that the logger writes into. It is the same object for all loggers of a log. */
  readonly recorder: Recorder;
  /** The bound fields of the logger, which it adds to each of its events. */
  readonly bound: Fields;
}

/**
 * Returns the log and the bound fields of a logger, for {@linkcode originOf}. `BoundLogger` assigns this function,
 * because only the class itself can access its private fields.
 */
let originOfBound: (logger: BoundLogger) => LoggerOrigin;

/**
 * Returns the log and the bound fields of a logger that `createLogger()` or `child()` of a logger returned; null for
 * any other value.
 */
export function originOf(logger: unknown): LoggerOrigin | null {
  return logger instanceof BoundLogger ? originOfBound(logger) : null;
}

/** Returns a logger without bound fields: it adds no fields to its events. */
export function createLogger(recorder: Recorder): AuditLogger {
  return new BoundLogger(recorder, {});
}

class BoundLogger implements AuditLogger {
  static {
    originOfBound = (logger) => ({ recorder: logger.#recorder, bound: logger.#bound });
  }

  readonly #recorder: Recorder;
  readonly #bound: Fields;

  constructor(recorder: Recorder, bound: Fields) {
    this.#recorder = recorder;
    this.#bound = bound;
  }

  log(event: string, fields: object = {}): Promise<void> {
    const caller = Promise.withResolvers<void>();
    try {
      this.#recorder.accept(caller, event, mergeFields(this.#bound, fields));
    } catch (error) {
      this.#recorder.refuse(caller, error);
    }
    return caller.promise;
  }

  begin(event: string, fields: object = {}): Promise<AuditSpan> {
    return beginSpan(this.#recorder, { event, fields, bound: this.#bound });
  }

  budget(options: BudgetOptions): Promise<Budget> {
    return this.#recorder.budget(options, this.#bound);
  }

  child(fields: object): AuditLogger {
    const bound = mergeFields(this.#bound, fields);
    for (const [name, value] of Object.entries(bound)) checkBound(name, value);
    return new BoundLogger(this.#recorder, bound);
  }
}

/**
 * Checks a bound field when the logger is created. Otherwise an invalid field would be noticed only later, when every
 * event of the logger is refused.
 */
function checkBound(name: string, value: unknown): void {
  if (value === undefined || value === null) return;
  if (name === RESERVED_FIELD) {
    throw reservedFieldError(value);
  }
  const reason = name === "event" ? null : unfitReason(name, value);
  if (reason !== null) throw fieldError(name, value, `be ${reason}`);
}
