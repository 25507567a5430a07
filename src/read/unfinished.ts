/**
 * Lists the spans of a log that have begun and not ended. A span is a call of which the beginning and the end are
 * logged.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";
import { abortSignal, checkOptions, type OptionChecks } from "../options/option_checks.ts";
import { Turns } from "../platform/turns.ts";
import type { ArchiveLine } from "../segments/manifest_line.ts";
import { signOfLife, SpanLedger, spanOf } from "../segments/span_ledger.ts";
import { typeBegunBy } from "../event.ts";
import { begunIn, type SpanSummary } from "../segments/span_summary.ts";
import { DamageReport } from "./damage.ts";
import { LineTest } from "./line_test.ts";
import { type LogPart, takeParts } from "./log_parts.ts";
import type { QuerySource } from "./query.ts";
import { eventsOf, type ReadOptions } from "./read_file.ts";
import type { SnapshotFile } from "./snapshot.ts";
import { spanBegunBy, type UnfinishedSpan } from "./unfinished_span.ts";

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
 * @throws {TypeError} If an option is unknown or of the wrong type; the message names the option.
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
  { signal }: UnfinishedOptions,
): AsyncGenerator<UnfinishedSpan, void> {
  signal?.throwIfAborted();
  await source.beforeRead?.();
  const turns = new Turns(source.clock);
  using taken = await takeParts(source, turns);
  const reading = { source, parts: taken.parts, damage: new DamageReport(source.logger), signal };
  const open = (await openBeginnings(reading, turns)).map(spanBegunBy);
  const lastSeen = await lastTimes(reading, open, turns);
  signal?.throwIfAborted();
  for (const span of open) {
    const ts = lastSeen.get(span.session_id);
    yield ts === undefined ? span : { ...span, lastSeen: ts };
    signal?.throwIfAborted();
  }
}

/** The log that one iteration reads, and the parts (files) of the log. */
interface Reading {
  readonly source: QuerySource;
  /** The parts of the log, oldest first. */
  readonly parts: readonly LogPart[];
  readonly damage: DamageReport;
  readonly signal: AbortSignal | undefined;
}

/**
 * An event that begins a span. `cutIn` is null if the event has all of its fields. Otherwise `cutIn` is the part of the
 * log whose manifest line lists the event with only some of its fields.
 */
interface Begun {
  readonly event: AuditEvent;
  readonly cutIn: LogPart | null;
}

/** Resolves with the events that begin the spans (calls) without an end event, oldest first. */
async function openBeginnings(reading: Reading, turns: Turns): Promise<AuditEvent[]> {
  const ledger = new SpanLedger<Begun>();
  for (const part of reading.parts) {
    if (turns.isDue) await turns.take();
    const { file, line, spans } = part;
    if (spans !== null && (file === null || !isUncertain(spans, ledger))) {
      for (const end of spans.ended) ledger.end(end);
      const cutIn = spans.cut ? part : null;
      for (const event of begunIn(spans)) add(ledger, { event, cutIn });
    } else if (file !== null && (line === undefined || mayChange(ledger, line))) {
      for await (const event of spanEventsIn(file, reading)) add(ledger, { event, cutIn: null });
    }
  }
  const open = ledger.open();
  const cutIn = new Set(open.map((begun) => begun.cutIn));
  for (const part of cutIn) {
    if (part !== null && part.file !== null) await complete(open, part.file, { part, reading });
  }
  return open.map(({ event }) => event);
}

function add(ledger: SpanLedger<Begun>, begun: Begun): void {
  const span = spanOf(begun.event);
  if (span?.begins) ledger.begin(span.end, begun);
  else if (span !== null) ledger.end(span.end);
}

/**
 * Checks whether a segment may contain the end event of an open span, although the summary of the segment's spans does
 * not list this event.
 */
function isUncertain({ unlisted }: SpanSummary, ledger: SpanLedger<Begun>): boolean {
  return ledger.isAwaiting(unlisted);
}

/**
 * Completes the events in `open` of which the manifest line of a part lists only some fields. Replaces each of them
 * with the whole event, which is read from `file`, the file of the part.
 */
async function complete(
  open: Begun[],
  file: SnapshotFile,
  { part, reading }: { part: LogPart; reading: Reading },
): Promise<void> {
  for await (const event of spanEventsIn(file, reading)) {
    const at = open.findIndex(({ event: begun, cutIn }) =>
      cutIn === part && begun.event === event.event && begun.span === event.span
    );
    if (at >= 0) open[at] = { event, cutIn: null };
  }
}

/**
 * Yields the events of a file that may begin or end a span, which is a call that is logged with its beginning and end.
 */
async function* spanEventsIn(file: SnapshotFile, reading: Reading): AsyncGenerator<AuditEvent> {
  // Every event of a span has a member named "span", so lines without this name are not parsed.
  const lineTest = new LineTest({ strings: [["span"]] });
  for await (const events of eventsIn(file, reading, { lineTest, order: "asc" })) yield* events;
}

/**
 * Checks whether an archive may contain events that begin a span or end an open span. Uses only the manifest line of
 * the archive.
 */
function mayChange(ledger: SpanLedger<Begun>, { events, untimed }: ArchiveLine): boolean {
  // The manifest line does not list the types of events without a time, so such an event may be of any type.
  if (events === null || untimed > 0) return true;
  const types = Object.keys(events);
  if (types.some((type) => typeBegunBy(type) !== null)) return true;
  return ledger.awaitedTypes.values().some((type) => Object.hasOwn(events, type));
}

/**
 * Resolves with the time of the last event of each session in `spans`, by session ID. Reads the newest part of the log
 * first.
 */
async function lastTimes(
  reading: Reading,
  spans: readonly Pick<UnfinishedSpan, "session_id">[],
  turns: Turns,
): Promise<Map<unknown, string>> {
  const times = new Map<unknown, string>();
  const wanted = new Set<unknown>(spans.map(({ session_id }) => session_id));
  wanted.delete(undefined);
  const lineTest = new LineTest({ strings: [[...wanted as Set<string>]] });
  const see = (session: string, ts: string) => {
    if (wanted.delete(session)) times.set(session, ts);
  };
  for (const { file, spans } of reading.parts.toReversed()) {
    if (wanted.size === 0) break;
    if (turns.isDue) await turns.take();
    if (spans !== null && spans.seen !== null) {
      for (const [session, ts] of spans.seen) see(session, ts);
    } else if (file === null) {
      // The archive was removed, and its manifest line does not list the sessions. The last event of any wanted session
      // may have been in it, so a time from an older part could be too early. The search ends.
      break;
    } else {
      for await (const events of eventsIn(file, reading, { lineTest, order: "desc" })) {
        for (const sign of events.map(signOfLife)) if (sign !== null) see(sign.session, sign.ts);
        if (wanted.size === 0) break;
      }
    }
  }
  return times;
}

/** Yields the events of a file in batches. */
function eventsIn(
  file: SnapshotFile,
  { source, damage, signal }: Reading,
  options: Pick<ReadOptions, "lineTest" | "order">,
): AsyncGenerator<AuditEvent[]> {
  const { log, clock, maxLineBytes } = source;
  return eventsOf(file, { log, clock, maxLineBytes, damage, signal, ...options });
}
