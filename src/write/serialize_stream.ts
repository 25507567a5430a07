/**
 * The first stage of the write path: encodes each record as one complete UTF-8 line that ends in "\n".
 *
 * @module
 */
import { LINK_BYTES_MAX } from "../line/chain.ts";
import { UTF8_BYTES_MAX } from "../line/utf8.ts";
import { AuditEventError } from "../errors.ts";
import { type AuditRecordInput, type EventFields, shown } from "../event.ts";
import { checkOptions, type OptionChecks } from "../options/option_checks.ts";
import {
  checkRedact,
  LOG_OPTION_CHECKS,
  MAX_LINE_BYTES,
  type Redact,
} from "../options/log_options.ts";
import { getSessionId } from "../session.ts";
import { loadEventSchema } from "../fields/known_fields.ts";
import { encodeRecord, namesOf, type RecordContext } from "./encode_record.ts";
import { safeMessage } from "./encode_value.ts";
import { Redaction } from "./redaction.ts";

/** Options of {@linkcode SerializeStream}. */
export interface SerializeStreamOptions {
  /**
   * Session ID of records that have no `session_id` field. It must not be empty. By default, it is the session ID of
   * the process, see {@linkcode getSessionId}.
   *
   * @default {getSessionId()}
   */
  sessionId?: string;
  /**
   * Maximum length of a line in bytes, including its line break, an integer >= 1. A longer record is rejected. The
   * default is 16 MiB.
   *
   * @default {16_777_216}
   */
  maxLineBytes?: number;
  /**
   * Clock that returns epoch milliseconds. It sets the `ts` of records.
   *
   * @default {Date.now}
   */
  now?: () => number;
  /**
   * The values to hide before a record becomes a line, see {@linkcode Redact}. If this option is not set, every value
   * is written.
   *
   * @default {undefined}
   */
  redact?: Redact | undefined;
}

const { sessionId, maxLineBytes, now, redact } = LOG_OPTION_CHECKS;
const OPTION_CHECKS: OptionChecks<SerializeStreamOptions> = {
  sessionId,
  maxLineBytes,
  now,
  redact,
};

/**
 * Encodes records of the form `{ event, ...fields }` as lines. An invalid record errors the stream with an
 * {@linkcode AuditEventError}.
 *
 * @example Records to lines
 * ```ts
 * import { SerializeStream } from "@vivarium/scout";
 * import { assertEquals } from "@std/assert";
 *
 * const lines = ReadableStream.from([{ event: "nav", cost: 0.002 }])
 *   .pipeThrough(new SerializeStream({ sessionId: "s1", now: () => 0 }))
 *   .pipeThrough(new TextDecoderStream());
 * assertEquals(await Array.fromAsync(lines), [
 *   '{"ts":"1970-01-01T00:00:00.000Z","event":"nav","session_id":"s1","cost":0.002}\n',
 * ]);
 * ```
 */
export class SerializeStream extends TransformStream<AuditRecordInput, Uint8Array<ArrayBuffer>> {
  /**
   * Creates the transform stream.
   *
   * @param options The options.
   * @throws {TypeError} If an option is unknown or of the wrong type; the message names the option.
   * @throws {RangeError} If an option is out of its range.
   */
  constructor(options: SerializeStreamOptions = {}) {
    checkOptions(options, OPTION_CHECKS, "serialize events");
    checkRedact(options.redact, "serialize events");
    const serialize = lineSerializer(options);
    const encoder = new TextEncoder();
    super({
      async transform(record, controller) {
        await loadEventSchema();
        controller.enqueue(encoder.encode(serialize(record.event, record)));
      },
    });
  }
}

/**
 * Settings for an event that the log itself logs. Such an event may have a type that begins with `budget_` and the
 * field `hold`, which are reserved for budgets. It may also have another time than the current one.
 */
export interface OwnLine {
  readonly nowMs?: number;
}

/**
 * A function that encodes an event as a line. Later changes of the event do not change the line. If `own` is set, the
 * log itself logs the event.
 */
export type LineSerializer = (
  event: unknown,
  fields: EventFields,
  own?: OwnLine,
) => string;

/**
 * Returns a function that encodes one record as {@linkcode SerializeStream} does, for callers that cannot wait for a
 * stream. The encoded line is a string, and ends in a line break.
 */
export function lineSerializer(
  options: SerializeStreamOptions & Pick<RecordContext, "onFraction" | "onMisnamed"> & {
    chain?: boolean;
  } = {},
): LineSerializer {
  const { sessionId = getSessionId(), maxLineBytes = MAX_LINE_BYTES, now = Date.now } = options;
  const isChained = options.chain ?? false;
  const { redact, onFraction, onMisnamed } = options;
  const redaction = Array.isArray(redact) ? new Redaction(redact) : undefined;
  // All events share one context object, because creating an object for each event takes as long as checking a field.
  const context = {
    nowMs: NaN,
    isOwn: false,
    sessionId,
    isChained,
    redaction,
    onFraction,
    onMisnamed,
  };
  // A chained log adds a number and a hash to the line before it is written, so they count toward the maximum length.
  const moreBytes = isChained ? LINK_BYTES_MAX : 0;
  return (event, fields, own) => {
    const record = typeof redact === "function" ? redacted(redact, event, fields) : undefined;
    context.nowMs = own?.nowMs ?? now();
    context.isOwn = own !== undefined;
    const text = record === undefined
      ? encodeRecord(event, fields, context)
      : encodeRecord(record.event, record, context);
    const line = `${text}\n`;
    checkLength(line, { moreBytes, maxLineBytes });
    return line;
  };
}

/**
 * Calls the user's `redact` function with an event, and returns the resulting record.
 *
 * @throws {AuditEventError} If the function throws or does not return an object. Then the event is not written.
 */
function redacted(
  redact: Exclude<Redact, readonly string[]>,
  event: unknown,
  fields: EventFields,
): Record<string, unknown> {
  namesOf(fields);
  let record: unknown;
  try {
    record = redact(Object.assign({ event }, fields, { event }));
  } catch (cause) {
    throw new AuditEventError(
      `Cannot log event: the redact function throws: ${safeMessage(cause)}`,
      {
        field: "redact",
        value: undefined,
        cause,
      },
    );
  }
  if (typeof record === "object" && record !== null && !Array.isArray(record)) {
    return record as Record<string, unknown>;
  }
  throw new AuditEventError(
    `Cannot log event: the redact function must return a record, got ${shown(record)}`,
    { field: "redact", value: record },
  );
}

function checkLength(
  line: string,
  { moreBytes, maxLineBytes }: { moreBytes: number; maxLineBytes: number },
): void {
  if (UTF8_BYTES_MAX * line.length + moreBytes <= maxLineBytes) return;
  const byteLength = new TextEncoder().encode(line).byteLength + moreBytes;
  if (byteLength <= maxLineBytes) return;
  throw new AuditEventError(
    `Cannot log event: its line must have at most ${maxLineBytes} bytes (maxLineBytes), got ${byteLength}`,
    { field: "maxLineBytes", value: byteLength },
  );
}
