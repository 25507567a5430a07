/**
 * Lists the spans of a log that have begun and not ended.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";
import { abortSignal, checkOptions, type OptionChecks } from "../options/option_checks.ts";
import type { ArchiveLine } from "../segments/manifest_line.ts";
import { queryLog, type QuerySource } from "./query.ts";
import { SpanLedger, typeBegunBy, type UnfinishedSpan } from "./span_ledger.ts";

/** Options of `unfinished()`. */
export interface UnfinishedOptions {
  /**
   * Ends the iteration when the signal aborts: the iteration closes its files and throws the reason of the signal.
   * Without a signal, the iteration ends after the last span or at `break`.
   *
   * @default {undefined}
   */
  signal?: AbortSignal;
}

const OPTION_CHECKS: OptionChecks<UnfinishedOptions> = { signal: abortSignal };

/**
 * Yields the spans that have begun and not ended, in the order in which they began. Each iteration takes a snapshot of
 * the log.
 *
 * @throws {TypeError} If an option is unknown or of the wrong type; the message names it.
 */
export function unfinishedSpans(
  source: QuerySource,
  options: UnfinishedOptions = {},
): AsyncIterable<UnfinishedSpan> {
  checkOptions(options, OPTION_CHECKS, "list unfinished spans");
  return { [Symbol.asyncIterator]: () => unfinished(source, options) };
}

async function* unfinished(
  source: QuerySource,
  options: UnfinishedOptions,
): AsyncGenerator<UnfinishedSpan, void> {
  const ledger = new SpanLedger();
  const spans = queryLog(source, options, {
    // Every event of a span has a member of this name.
    strings: [["span"]],
    mayHold: (line) => mayChange(ledger, line),
  });
  for await (const event of spans) ledger.add(event);
  const open = ledger.open();
  const lastSeen = await lastTimes(source, options, open);
  for (const span of open) {
    const ts = lastSeen.get(span.session_id);
    yield ts === undefined ? span : { ...span, lastSeen: ts };
  }
}

/** Checks whether an archive with this manifest line may begin a span or end one of the open spans. */
function mayChange(ledger: SpanLedger, { events, untimed }: ArchiveLine): boolean {
  // The manifest line does not list the types of events without a time.
  if (events === null || untimed > 0) return true;
  const types = Object.keys(events);
  if (types.some((type) => typeBegunBy(type) !== null)) return true;
  return ledger.awaitedTypes.some((type) => Object.hasOwn(events, type));
}

/** Resolves with the time of the last event of each session that has one of the spans. Reads the newest events first. */
async function lastTimes(
  source: QuerySource,
  options: UnfinishedOptions,
  spans: readonly Pick<UnfinishedSpan, "session_id">[],
): Promise<Map<unknown, string>> {
  const times = new Map<unknown, string>();
  const wanted = new Set<unknown>(spans.map(({ session_id }) => session_id));
  wanted.delete(undefined);
  const strings = [...wanted as Set<string>];
  if (strings.length === 0) return times;
  const where = ({ session_id }: AuditEvent) => wanted.has(session_id);
  const events = queryLog(source, { ...options, order: "desc", where }, { strings: [strings] });
  for await (const { session_id, ts } of events) {
    if (typeof ts !== "string" || !wanted.delete(session_id)) continue;
    times.set(session_id, ts);
    if (wanted.size === 0) break;
  }
  return times;
}
