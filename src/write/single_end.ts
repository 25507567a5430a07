/**
 * Logs the event that ends a span or a hold. A hold is an amount that is reserved in a budget. The log must have at
 * most one such event for each span or hold.
 *
 * @module
 */
import { AuditWriteError } from "../errors.ts";
import type { LineCaller } from "./acknowledgements.ts";
import type { Fields } from "./merge_fields.ts";

/** The part of a log that records the end of a span or a hold. */
export interface EndRecorder {
  /** Logs an event. If the event is invalid or the log is closed, rejects the promise of the caller. */
  accept(caller: LineCaller, event: string, fields: Fields): void;
  /** Rejects the promise of the caller. If the caller does not handle the rejection, the log reports the error. */
  refuse(caller: LineCaller, error: unknown): void;
}

/**
 * Logs the event that ends one span or hold. A second end can be logged only if the first end is certainly not in the
 * log.
 */
export class SingleEnd {
  readonly #recorder: EndRecorder;
  readonly #messageOfSecond: (event: string) => string;
  /** The promise of the event that ends the span or the hold; undefined if this event is certainly not in the log. */
  #written: Promise<void> | undefined;

  /**
   * @param recorder The log that records the end.
   * @param messageOfSecond Returns the error message for a second end.
   */
  constructor(recorder: EndRecorder, messageOfSecond: (event: string) => string) {
    this.#recorder = recorder;
    this.#messageOfSecond = messageOfSecond;
  }

  /** Logs the event that ends the span or the hold. Resolves when its line is written. */
  log(event: string, fieldsOf: () => Fields): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const caller = {
      promise,
      resolve,
      reject: (error: unknown) => {
        const mayBeLogged = error instanceof AuditWriteError && error.phase === "sync";
        if (this.#written === promise && !mayBeLogged) this.#written = undefined;
        reject(error);
      },
    };
    try {
      this.#checkFirst(event);
      const fields = fieldsOf();
      // Checked again, because a getter of a field may have logged the end meanwhile.
      this.#checkFirst(event);
      this.#written = promise;
      this.#recorder.accept(caller, event, fields);
    } catch (error) {
      this.#recorder.refuse(caller, error);
    }
    return promise;
  }

  /** If the end of the span or the hold is being written, waits for it. If the log then has no end, logs this one. */
  async logIfNone(event: string, fieldsOf: () => Fields): Promise<void> {
    // The caller of log() has this promise too and handles its rejection, so the error is ignored here.
    await this.#written?.catch(() => {});
    if (this.#written === undefined) await this.log(event, fieldsOf);
  }

  #checkFirst(event: string): void {
    if (this.#written !== undefined) throw new Error(this.#messageOfSecond(event));
  }
}
