/**
 * Holds (reserves) the estimated maximum of each model call on its budgets, and explains why a budget refuses a call.
 *
 * @module
 */
import { type Budget, declaredOf } from "../budget/budget.ts";
import { BudgetError } from "../errors.ts";
import { shown } from "../event.ts";
import type { CallLog, HeldCall } from "./call_log.ts";
import { type CallEstimate, estimateOf, type NotedEstimate } from "./estimate.ts";
import type { ModelRequest } from "./model_request.ts";
import type { SentRequest } from "./sent_request.ts";

/** Options of {@linkcode CallBudgets}: the options of `auditedFetch()` that concern budgets. */
export interface CallBudgetsOptions {
  readonly budget?: Budget | readonly Budget[] | undefined;
  readonly estimate?: ((request: ModelRequest) => CallEstimate) | undefined;
  readonly wait?: boolean | undefined;
  readonly maxSec?: number | undefined;
}

/** The budgets that each call of one `auditedFetch()` is charged to. */
export class CallBudgets {
  readonly #calls: CallLog;
  readonly #options: CallBudgetsOptions;
  readonly #budgets: readonly Budget[];
  readonly #hasUsd: boolean;

  /**
   * @param calls The log of the calls.
   * @param options The budgets, and the options of the holds.
   * @param action The action that error messages name, such as "audit fetch".
   * @throws {TypeError} If a value of `budget` is not a budget, or is a budget of another log.
   */
  constructor(calls: CallLog, options: CallBudgetsOptions, action: string) {
    const { budget = [] } = options;
    this.#calls = calls;
    this.#options = options;
    this.#budgets = Array.isArray(budget) ? budget : [budget];
    const units = this.#budgets.map((each) => unitOf(each, calls.path, action));
    this.#hasUsd = units.includes("usd");
  }

  /**
   * Holds (reserves) the estimated maximum of a call on all budgets. Resolves with `null` if there are no budgets.
   *
   * @throws {BudgetError} If the call does not fit a budget. If the estimate is unknown or large, the message also says
   *   why.
   */
  async hold(sent: SentRequest, request: ModelRequest): Promise<HeldCall | null> {
    const [first, ...others] = this.#budgets;
    if (first === undefined) return null;
    const { bound, prices } = this.#calls;
    const provider = typeof bound.provider === "string" ? bound.provider : request.provider;
    const { wait = false, maxSec, estimate: ownEstimate } = this.#options;
    const { estimate, note }: NotedEstimate = ownEstimate === undefined
      ? estimateOf({ ...request, provider }, prices)
      : { estimate: ownEstimate(request), note: "" };
    try {
      const hold = await first.hold({
        ...estimate,
        and: others,
        fields: { ...bound, model: request.model, provider },
        wait,
        ...(maxSec === undefined ? {} : { maxSec }),
        ...(sent.signal === undefined ? {} : { signal: sent.signal }),
      });
      return { hold, usd: this.#hasUsd ? estimate.usd : undefined };
    } catch (error) {
      throw error instanceof BudgetError && note !== "" ? noted(error, note) : error;
    }
  }
}

/** Returns the error with a note at the end of its message. */
function noted(error: BudgetError, note: string): BudgetError {
  const { message, kind, budget, retryAfterMs, resetsAt } = error;
  return new BudgetError(`${message}; ${note}`, {
    kind,
    budget,
    retryAfterMs,
    resetsAt,
    cause: error,
  });
}

/**
 * Returns the unit of a budget. Throws if the value is not a budget of the log at `path`, because the call and its hold
 * must be in the same log.
 */
function unitOf(budget: unknown, path: string, action: string): string {
  const declared = declaredOf(budget);
  if (declared?.path === path) return declared.unit;
  throw new TypeError(
    declared === null
      ? `Cannot ${action}: budget must be a budget of log.budget(), or an array of them, got ${
        budget instanceof Promise ? "a Promise; await log.budget()" : shown(budget)
      }`
      : `Cannot ${action}: budget must be of the log ${path}, got one of ${declared.path}`,
  );
}

/** Returns a refusal as a response whose body has the shape of the errors of OpenAI, Anthropic and Gemini. */
export function refusalResponse(
  { kind, budget, message, retryAfterMs, resetsAt }: BudgetError,
): Response {
  const mayRetry = kind === "held";
  const status = mayRetry ? 429 : 402;
  const error = { type: "budget_error", code: kind, message, budget, retryAfterMs, resetsAt };
  return Response.json({ type: "error", error }, {
    status,
    headers: {
      // The SDKs of OpenAI and Anthropic obey the header `x-should-retry`. A call is retried only if room may become
      // free soon.
      "x-should-retry": String(mayRetry),
      ...(mayRetry ? { "retry-after-ms": String(retryAfterMs ?? 0), "retry-after": "1" } : {}),
    },
  });
}
