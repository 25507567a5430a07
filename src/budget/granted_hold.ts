/**
 * A hold (an amount reserved on budgets for one call) from the moment when it was granted until it ends.
 *
 * @module
 */
import { checkNotReserved, type EventType, type KnownFields } from "../event.ts";
import { type Fields, mergeFields } from "../write/merge_fields.ts";
import { SingleEnd } from "../write/single_end.ts";
import type { BudgetTerms } from "./account.ts";
import type { BudgetLog } from "./budget_log.ts";
import { BUDGET_LINE } from "./budget_lines.ts";
import { withWhere } from "./budget_options.ts";

/** An amount that is held on one or more budgets until the call has ended. */
export interface BudgetHold extends AsyncDisposable {
  /** ID of the hold. The log lines that begin and end the hold have this ID as their field `hold`. */
  readonly id: string;
  /**
   * Ends the hold and logs the event of the call. Each budget is charged the cost or tokens of the event instead of the
   * held amount. If the event has no amount in the unit of a budget, this budget is charged the held amount.
   *
   * @param event The type of the event: any non-empty string.
   * @param fields The fields of the event, such as `cost`; by default none.
   * @returns A promise that resolves when the event is written.
   * @throws {AuditEventError} If the type or a field is invalid. The hold can then still be settled.
   * @throws {TypeError} If a field contradicts `where` of a budget. The hold can then still be settled.
   * @throws {AuditWriteError} If the line could not be written or made durable.
   * @throws {AuditClosedError} If the log is closed.
   * @throws {Error} If the hold has ended.
   */
  settle<T extends object>(
    event: EventType | (string & Record<never, never>),
    fields?: T & KnownFields,
  ): Promise<void>;
  /**
   * Ends the hold and charges nothing, because the call was not made.
   *
   * @param reason The reason, for people who read the log; by default none.
   * @returns A promise that resolves when the line is written.
   * @throws {AuditWriteError} If the line could not be written or made durable.
   * @throws {AuditClosedError} If the log is closed.
   * @throws {Error} If the hold has ended.
   */
  release(reason?: string): Promise<void>;
}

export class GrantedHold implements BudgetHold {
  readonly id: string;
  readonly #terms: readonly BudgetTerms[];
  readonly #fields: Fields;
  readonly #end: SingleEnd;

  constructor(
    log: BudgetLog,
    terms: readonly BudgetTerms[],
    { id, fields }: { id: string; fields: Fields },
  ) {
    this.id = id;
    this.#terms = terms;
    this.#fields = fields;
    this.#end = new SingleEnd(
      log,
      () => `Cannot end hold ${id}: it has ended already, and a hold can end only once`,
    );
  }

  settle(event: string, fields: object = {}): Promise<void> {
    return this.#end.log(event, () => {
      checkNotReserved(event);
      return this.#withId(withWhere(mergeFields(this.#fields, fields), this.#terms, "settle"));
    });
  }

  release(reason?: string): Promise<void> {
    return this.#end.log(
      BUDGET_LINE.release,
      () => this.#withId(reason === undefined ? {} : { reason }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end.logIfNone(BUDGET_LINE.charge, () => this.#withId({}));
  }

  #withId(fields: Fields): Fields {
    return { ...fields, hold: this.id };
  }
}
