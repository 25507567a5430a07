/**
 * Logs the events of model calls with their fields and costs. Remembers earlier calls of the same log, so that no call
 * is logged twice.
 *
 * @module
 */
import { rootOf } from "../audit_log.ts";
import { type AuditLogger, createLogger, originOf } from "../audit_logger.ts";
import type { Recorder } from "../audit_span.ts";
import type { BudgetHold } from "../budget/granted_hold.ts";
import { fieldError, nonRecordKind, shown } from "../event.ts";
import type { Fields } from "../write/merge_fields.ts";
import { picked } from "./json_values.ts";
import { OpenCalls } from "./open_calls.ts";
import { checkedDigest } from "./checked_prices.ts";
import { type PriceTable, qualifiedName } from "./price_table.ts";
import { costOf, priceLack } from "./prices.ts";
import { type ReportedCall, SeenCall, SeenCalls } from "./seen_calls.ts";
import type { TokenUsage } from "./usage.ts";

/** The type of the event of a model call. */
export const LLM_CALL = "llm_call";

/** The outcome of a model call. */
export type CallStatus = "ok" | "error" | "aborted";

/** A model call that has ended. */
export interface EndedCall {
  readonly status: CallStatus;
  /** Name of the model in the response; if the response does not name it, that of the requested model. */
  readonly model: string | undefined;
  readonly provider: string | undefined;
  /** The token usage; `undefined` if the response did not state it. */
  readonly usage: TokenUsage | undefined;
  /** Duration of the call in milliseconds. */
  readonly durationMs: number | undefined;
  /** Milliseconds from the start of the call until the first output of its stream. */
  readonly ttftMs?: number | undefined;
  readonly error?: object | undefined;
  readonly responseId?: string | undefined;
  /** Other fields of the event. */
  readonly more?: object;
}

/**
 * A hold (an amount reserved on budgets for a call), and the amount in USD that is charged if the cost of the call
 * stays unknown.
 */
export interface HeldCall {
  readonly hold: BudgetHold;
  /** The held amount in USD; `undefined` if no budget of the call is in USD. */
  readonly usd: number | undefined;
}

/** The state of one log that all observers of its model calls share, such as `auditedFetch()` and telemetry. */
interface SharedState {
  readonly seen: SeenCalls;
  readonly open: OpenCalls;
  /** The digests of price tables that were already logged in an event `prices`. */
  readonly digests: Set<string>;
  /** The messages of warnings that were already logged, so that each is logged only once. */
  readonly told: Set<string>;
}

/** The shared state of each log that is in use. When the log is garbage collected, so is its state. */
const states = new WeakMap<object, SharedState>();

/** The fields that each event of a call states itself. So a caller cannot bind them to a fixed value. */
const OWN_FIELDS = [
  "cost",
  "cost_source",
  "model",
  "input_t",
  "output_t",
  "cache_read_t",
  "cache_write_t",
  "cache_write_1h_t",
  "reasoning_t",
  "usage",
  "status",
  "error",
  "duration_ms",
  "ttft_ms",
  "response_id",
];

/** The fields with the texts of a call. They may be too long for a line, and are then left out. */
const TEXT_FIELDS = ["prompt", "answer"];

/**
 * The fields that sums of costs and budgets need. They remain in an event even if all other fields must be left out.
 */
const ESSENTIAL_FIELDS = [
  "cost",
  "cost_source",
  "charged_usd",
  "input_t",
  "output_t",
  "usage",
  "status",
];

/** The fields that remain of an event that cannot be logged with all of its fields. */
const KEPT_FIELDS = [...ESSENTIAL_FIELDS, "model", "provider", "duration_ms"];

/** Maximum number of warnings to remember, so that memory is bounded. After that many, new warnings are not logged. */
const TOLD_MAX = 1_000;

/** Logs the model calls that one observer, such as an `auditedFetch()`, has seen. */
export class CallLog {
  /** The last calls of the log, so that no call is logged twice. */
  readonly seen: SeenCalls;
  /** The calls whose start the telemetry of the AI SDK has reported, and whose end it has not reported yet. */
  readonly open: OpenCalls;
  /** The fields that every event gets. */
  readonly bound: Fields;
  readonly prices: PriceTable | undefined;
  /** Absolute path of the active file of the log. */
  readonly path: string;
  readonly #logger: AuditLogger;
  readonly #recorder: Recorder;
  readonly #state: SharedState;
  readonly #digest: string;

  /**
   * @param log The log, or a logger with bound fields.
   * @param options The prices, and the fields of every event.
   * @param action The action that error messages name, such as "audit fetch".
   * @throws {TypeError} If `log` is not a logger, a price cannot be used, or a field is one that each event states
   *   itself.
   */
  constructor(
    log: AuditLogger,
    { prices, fields = {} }: { prices?: PriceTable | undefined; fields?: object | undefined },
    action: string,
  ) {
    const root = typeof log === "object" && log !== null ? rootOf(log) : log;
    const origin = originOf(root);
    if (origin === null) {
      throw new TypeError(
        `Cannot ${action}: log must be an AuditLog, or a logger returned by its child(), got ${
          log instanceof Promise ? "a Promise; await AuditLog.open()" : describedAs(log)
        }`,
      );
    }
    this.#logger = root.child(fields);
    this.bound = originOf(this.#logger)!.bound;
    for (const name of OWN_FIELDS) {
      const value = this.bound[name];
      if (value === undefined || value === null) continue;
      throw fieldError(name, value, "not be bound, because each call has its own");
    }
    this.#recorder = origin.recorder;
    this.path = this.#recorder.path;
    this.#state = states.get(this.#recorder) ??
      { seen: new SeenCalls(), open: new OpenCalls(), digests: new Set(), told: new Set() };
    states.set(this.#recorder, this.#state);
    this.seen = this.#state.seen;
    this.open = this.#state.open;
    this.prices = prices;
    this.#digest = prices === undefined ? "" : checkedDigest(prices, action);
  }

  /**
   * Checks whether another observer of the log, such as `auditedFetch()`, has seen a call that has ended. If not,
   * remembers the call, so that other observers do not log it.
   */
  isLogged(reported: Omit<ReportedCall, "observer">): boolean {
    if (this.seen.report({ ...reported, observer: this })) return true;
    const call = new SeenCall(this, "telemetry");
    call.id = reported.id;
    call.models.add(reported.model);
    this.seen.add(call);
    return false;
  }

  /**
   * Logs a call for which no amount is held on a budget.
   *
   * @returns A promise that resolves when the event is written. If nothing handles its rejection, the log reports it.
   */
  record(call: EndedCall): Promise<void> {
    const fields = this.#fieldsOf(call);
    const log = (form: Fields) => () => this.#logger.log(LLM_CALL, form);
    return this.#write([
      log(fields),
      log(without(TEXT_FIELDS, fields)),
      log(picked(KEPT_FIELDS, fields)),
      log(picked(ESSENTIAL_FIELDS, fields)),
    ]);
  }

  /**
   * Logs a call and ends its hold: the budgets are charged the cost instead of the held amount. If the cost is unknown,
   * the held amount is charged, and the event states it. If the event cannot be written, the log reports the error.
   */
  settle(call: EndedCall, { hold, usd }: HeldCall): void {
    const own = this.#fieldsOf(call);
    const charged_usd = own.cost === undefined ? usd : undefined;
    const fields: Fields = { ...this.bound, ...own, charged_usd };
    const { model: response_model, provider: response_provider, ...rest } = fields;
    const settle = (form: Fields) => () => hold.settle(LLM_CALL, form);
    void this.#write([
      settle(fields),
      // If a budget is for one model or provider, settle() rejects the name of another one. The response may state
      // another name than the request, so this form of the event has the names of the response in other fields.
      settle({ ...rest, response_model, response_provider }),
      settle(without(TEXT_FIELDS, fields)),
      settle(picked(KEPT_FIELDS, fields)),
      settle(picked(ESSENTIAL_FIELDS, fields)),
    ]);
  }

  /**
   * Logs another event with the bound fields.
   *
   * @returns A promise that resolves when the event is written. If nothing handles its rejection, the log reports it.
   */
  log(event: string, fields: object): Promise<void> {
    return this.#logger.log(event, fields);
  }

  /** Warns through the logger of the log. The same message is logged only once for each log. */
  warnOnce(message: string): void {
    const { told } = this.#state;
    if (told.has(message) || told.size === TOLD_MAX) return;
    told.add(message);
    try {
      this.#recorder.logger.warn(message);
    } catch (error) {
      // If the logger of the user throws, the call must be logged nevertheless. So the error is kept, and the next
      // flush() rejects with it.
      this.#recorder.refuse(Promise.withResolvers<void>(), error);
    }
  }

  /**
   * Tries each form of an event until one is valid. Later forms omit or rename fields, so that the call is logged even
   * if a text is too long.
   */
  #write(ways: readonly (() => Promise<void>)[]): Promise<void> {
    const caller = Promise.withResolvers<void>();
    const attempt = (n: number) => {
      ways[n]!().then(caller.resolve, (error: unknown) => {
        const mayHelp = n + 1 < ways.length && error instanceof TypeError;
        if (mayHelp) attempt(n + 1);
        else this.#recorder.refuse(caller, error);
      });
    };
    attempt(0);
    return caller.promise;
  }

  #fieldsOf(call: EndedCall): Fields {
    const { model, usage, status } = call;
    const provider = this.bound.provider ?? call.provider;
    const { cost: _, ...counts } = usage ?? {};
    return {
      model,
      provider,
      ...counts,
      ...this.#costFields(
        usage,
        qualifiedName(provider, model),
      ),
      usage: usage === undefined ? "missing" : undefined,
      status,
      error: call.error,
      duration_ms: call.durationMs,
      ttft_ms: call.ttftMs,
      response_id: call.responseId,
      ...call.more,
    };
  }

  #costFields(usage: TokenUsage | undefined, model: string | undefined): object {
    if (usage === undefined) return {};
    const found = costOf(usage, this.prices, model);
    if (found === undefined) {
      if (this.prices !== undefined) {
        this.warnOnce(
          `Logged a call without a cost, because ${priceLack(this.prices, model)}. ` +
            "This warning is logged once for each model.",
        );
      }
      return {};
    }
    if (found.source === "prices") this.#logDigest();
    return { cost: found.cost, cost_source: found.source };
  }

  /**
   * Logs the digest of the price table before the first cost from this table. A cost in the log stays the same when the
   * table changes later. The digest shows from which table the cost was computed.
   */
  #logDigest(): void {
    const { digests } = this.#state;
    if (digests.has(this.#digest)) return;
    digests.add(this.#digest);
    void createLogger(this.#recorder).log("prices", {
      sha256: this.#digest,
      models: Object.keys(this.prices!).length,
    });
  }
}

/** Returns the description of a value for an error message. For an object, the description names its class. */
function describedAs(value: unknown): string {
  if (typeof value !== "object" || value === null) return shown(value);
  const { name } = value.constructor ?? {};
  return nonRecordKind(value) ||
    (name && name !== "Object" ? `an object of class ${name}` : shown(value));
}

/** Returns the fields of an event without the named ones. */
function without(names: readonly string[], fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !names.includes(name)));
}
