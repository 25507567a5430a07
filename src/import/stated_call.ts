/**
 * A model call or a tool call, as a transcript states it.
 *
 * @module
 */
import type { TokenUsage } from "../llm/usage.ts";

/**
 * A model call or a tool call, as one place of a source states it. A source may state the same call in several places,
 * for example because a session was resumed. All of them have the same ID.
 */
export interface StatedCall {
  /** The ID of the call, which becomes the field `import_id`. It does not depend on the file or the line. */
  readonly id: string;
  /** The ID of copies of the call, if it is another one. */
  readonly copiedId?: string;
  /** Set if the source states that it has copied the call from another source. */
  readonly isCopy?: boolean;
  /** The time of the call in milliseconds since the epoch. */
  readonly epochMs: number;
  /** The number of the first line that states the call, from 1. */
  readonly line: number;
  /** The event type. */
  readonly event: "llm_call" | "tool_call";
  /** The token usage; `undefined` for a tool call, and if the source does not state it. */
  readonly usage: TokenUsage | undefined;
  /** The fields of the event, except for the usage, the cost and `import_id`. */
  readonly fields: CallFields;
}

/** The fields of the event of a call. A field that is `undefined` is left out. */
export interface CallFields {
  readonly session_id?: string | undefined;
  readonly model?: string | undefined;
  readonly provider?: string | undefined;
  readonly [name: string]: unknown;
}

/** A tool call whose result has not come yet. */
export interface OpenTool {
  readonly name: string | undefined;
  readonly epochMs: number;
  readonly input: unknown;
}

/** Thrown if a record of a source cannot be imported. The message states the reason. */
export class RecordError extends Error {
  /** Creates the error. `line` is the number of the line of the record, from 1. */
  constructor(readonly line: number, message: string) {
    super(message);
  }
}

/** The reason why a stated usage is not in the sum of the imported calls. */
export type LeftOutReason =
  /** A message of Claude Code has a line for each of its content blocks, and each states the usage of the message. */
  | "further lines of the same message"
  /** Claude Code wrote the message itself, so it is not a call of a model. */
  | "messages that Claude Code wrote itself"
  /** Codex writes its counters again although no call was made. */
  | "counters that did not change"
  /** The usage of the last call that Codex states beside its counters differs from the change of the counters. */
  | "last usage that differs from the counters"
  /** Spans of agents, and outer spans of a call, repeat the usage of the spans in them. */
  | "spans that repeat the usage of other spans"
  /** `--skip-invalid` leaves out a call whose event would be invalid. */
  | "invalid calls"
  /** The same call is in several places: in a resumed session, a fork, a sidechain, or a file that was copied. */
  | "calls that are stated again";

/** Receives the usage of each record, so that each difference between the plain sum and the imported sum is known. */
export interface UsageListener {
  /** Called for each record that states a usage. */
  stated(usage: TokenUsage): void;
  /**
   * Called for a part of the stated usage that does not count. `records` is the number of records that do not count as
   * calls because of it.
   */
  leftOut(reason: LeftOutReason, usage: TokenUsage, records: number): void;
}

/** Ignores all usages, for a caller that does not compare the sums. */
export const IGNORE_USAGE: UsageListener = { stated() {}, leftOut() {} };

/** Reads the calls from the records of one source, in the order of its lines. */
export interface TranscriptReader {
  /**
   * Takes the next record of the source, and yields the calls that are complete.
   *
   * @throws {RecordError} If the record is invalid.
   */
  take(record: Readonly<Record<string, unknown>>, line: number): Iterable<StatedCall>;
  /** Yields the remaining calls at the end of the source. */
  end(): Iterable<StatedCall>;
  /** Number of tool calls whose result the source does not have yet. They are not yielded. */
  readonly openTools: number;
  /** Number of records with logs or metrics of OpenTelemetry, which are not spans. */
  readonly otherSignals: number;
}
