/**
 * First stage of the write path: record -> one complete UTF-8 line ending in "\n".
 *
 * @module
 */
import { LINK_BYTES_MAX } from "../line/chain.ts";
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
import { encodeRecord, namesOf, type RecordContext } from "./encode_record.ts";
import { safeMessage } from "./encode_value.ts";
import { Redaction } from "./redaction.ts";

/** Options of {@linkcode SerializeStream}. */
export interface SerializeStreamOptions {
  /** Session of the records that name none; default {@linkcode getSessionId}`()`. */
  sessionId?: string;
  /** Bytes that a line may have, its line break included; default 16 MiB. */
  maxLineBytes?: number;
  /** Clock for `ts`, epoch milliseconds; default `Date.now`. */
  now?: () => number;
  /** What is not to be written; see {@linkcode AuditLogOptions.redact}. */
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
 * Makes lines of records, `{ event, ...fields }` each. A record that cannot be logged errors the
 * stream with an {@linkcode AuditEventError}.
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
  /** Makes the stage. */
  constructor(options: SerializeStreamOptions = {}) {
    checkOptions(options, OPTION_CHECKS, "serialize events");
    checkRedact(options.redact, "serialize events");
    const serialize = lineSerializer(options);
    const encoder = new TextEncoder();
    super({
      transform(record, controller) {
        controller.enqueue(encoder.encode(serialize(record.event, record)));
      },
    });
  }
}

/** Makes a line of an event, at once: the line is the event as it is now. */
export type LineSerializer = (event: unknown, fields: EventFields) => string;

/**
 * The work of {@linkcode SerializeStream} on one record, for callers that cannot wait for a stream. The
 * line, its line break included, is still to be encoded.
 */
export function lineSerializer(
  options: SerializeStreamOptions & Pick<RecordContext, "onFraction"> & { chain?: boolean } = {},
): LineSerializer {
  const { sessionId = getSessionId(), maxLineBytes = MAX_LINE_BYTES, now = Date.now } = options;
  const isChained = options.chain ?? false;
  const { redact, onFraction } = options;
  const redaction = Array.isArray(redact) ? new Redaction(redact) : undefined;
  // One object for all events: making one for each takes as long as checking a field.
  const context = { nowMs: NaN, sessionId, isChained, redaction, onFraction };
  // A line in the chain gets longer before it is written.
  const moreBytes = isChained ? LINK_BYTES_MAX : 0;
  return (event, fields) => {
    const record = typeof redact === "function" ? redacted(redact, event, fields) : undefined;
    context.nowMs = now();
    const text = record === undefined
      ? encodeRecord(event, fields, context)
      : encodeRecord(record.event, record, context);
    const line = `${text}\n`;
    checkLength(line, { moreBytes, maxLineBytes });
    return line;
  };
}

/** Has the user's function take out what is not to be written; without it nothing is written at all. */
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
    throw new AuditEventError(`Cannot log event: redact throws: ${safeMessage(cause)}`, {
      field: "redact",
      value: undefined,
      cause,
    });
  }
  if (typeof record === "object" && record !== null && !Array.isArray(record)) {
    return record as Record<string, unknown>;
  }
  throw new AuditEventError(
    `Cannot log event: redact must give a record, got ${shown(record)}`,
    { field: "redact", value: record },
  );
}

/** No character of a string takes more than three bytes. */
const UTF8_BYTES_MAX = 3;

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
