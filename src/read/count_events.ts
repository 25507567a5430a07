/**
 * Counts events by type. If the manifest has the counts of an archive, the archive is not decoded.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";
import { Turns } from "../platform/turns.ts";
import type { ArchiveLine } from "../segments/manifest_line.ts";
import type { ManifestReader } from "../segments/manifest_reader.ts";
import type { TimeLike } from "../time.ts";
import { DamageReport } from "./damage.ts";
import { eventFilter, mayLineHold } from "./filter.ts";
import { LineTest } from "./line_test.ts";
import { lineOf, linesInTurns } from "./manifest_lines.ts";
import type { QuerySource } from "./query.ts";
import { eventsOf, type ReadOptions } from "./read_file.ts";
import { startIn, takeSnapshotInTurns } from "./snapshot.ts";

/** Options of {@linkcode countedEvents}. */
export interface CountOptions {
  readonly since: TimeLike;
  readonly eventType: readonly string[];
}

/**
 * Yields one event for each event in the log that has one of the types in `eventType` and is not before `since`, in no
 * particular order. If an event was counted from the manifest, the yielded event has only the field `event`.
 */
export async function* countedEvents(
  source: QuerySource & { readonly manifest: ManifestReader },
  options: CountOptions,
): AsyncGenerator<AuditEvent> {
  const filter = eventFilter(options);
  const { log, maxLineBytes, logger, manifest } = source;
  const reading: ReadOptions = {
    log,
    maxLineBytes,
    damage: new DamageReport(logger),
    lineTest: new LineTest(filter),
    order: "asc",
    signal: undefined,
  };
  await source.beforeRead?.();
  const turns = new Turns(source.clock);
  using snapshot = await takeSnapshotInTurns(log, turns);
  const lines = await linesInTurns(manifest, logger, turns);
  for (const file of snapshot.files) {
    if (turns.isDue) await turns.take();
    const line = lineOf(file, lines);
    if (line !== undefined && !mayLineHold(line, filter)) continue;
    const counts = line === undefined ? null : countsSince(line, filter.sinceMs);
    if (file.isArchive) source.archives?.[counts === null ? "decoded" : "summed"].add(file.path);
    if (counts !== null) {
      for (const type of options.eventType) {
        for (let left = counts[type]?.count ?? 0; left > 0; left--) yield { event: type };
      }
    } else {
      const from = startIn(file, filter.sinceMs, log);
      for await (const events of eventsOf(file, { ...reading, from })) {
        yield* events.filter(filter.matches);
      }
    }
  }
}

/**
 * Returns the counts of an archive by event type from its manifest line. Returns null if the line has no counts or no
 * times, or if the earliest event of the archive is before the instant `sinceMs`.
 */
function countsSince({ min_ts, events }: ArchiveLine, sinceMs: number): ArchiveLine["events"] {
  return min_ts !== null && Date.parse(min_ts) >= sinceMs ? events : null;
}
