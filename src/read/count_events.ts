/**
 * Events that only have to be counted: where the manifest knows how many there are, none is decoded.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";
import type { ArchiveLine } from "../segments/manifest_line.ts";
import type { ManifestReader } from "../segments/manifest_reader.ts";
import { LogFiles } from "../segments/segment_name.ts";
import type { TimeLike } from "../time.ts";
import { DamageReport } from "./damage.ts";
import { eventFilter, mayLineHold } from "./filter.ts";
import { LineTest } from "./line_test.ts";
import { lineOf, linesOf } from "./manifest_lines.ts";
import type { LineSource } from "./query.ts";
import { eventsOf, type ReadOptions } from "./read_file.ts";
import { startIn, takeSnapshot } from "./snapshot.ts";

/** What to count. */
export interface CountOptions {
  readonly since: TimeLike;
  readonly eventType: readonly string[];
}

/**
 * Gives as many events of the types as there are since the instant, in no order, and those that the
 * manifest counted with nothing but their type.
 */
export async function* countedEvents(
  source: LineSource & { readonly manifest: ManifestReader },
  options: CountOptions,
): AsyncGenerator<AuditEvent> {
  const filter = eventFilter(options);
  const { fileSystem, maxLineBytes, logger, manifest } = source;
  const reading: ReadOptions = {
    fileSystem,
    maxLineBytes,
    damage: new DamageReport(logger),
    lineTest: new LineTest(filter),
    order: "asc",
    signal: undefined,
  };
  await source.beforeRead?.();
  const logFiles = new LogFiles(source.path);
  using snapshot = takeSnapshot(fileSystem, logFiles);
  const lines = linesOf(manifest, logger);
  for (const file of snapshot.files) {
    const line = lineOf(file, lines);
    if (line !== undefined && !mayLineHold(line, filter)) continue;
    const counts = line === undefined ? null : countsSince(line, filter.sinceMs);
    if (counts !== null) {
      for (const type of options.eventType) {
        for (let left = counts[type]?.count ?? 0; left > 0; left--) yield { event: type };
      }
    } else {
      const from = startIn(file, filter.sinceMs, { fileSystem, logFiles });
      for await (const events of eventsOf(file, { ...reading, from })) {
        yield* events.filter(filter.matches);
      }
    }
  }
}

/** The counts of an archive all of whose events are of the instant or later. */
function countsSince({ min_ts, events }: ArchiveLine, sinceMs: number): ArchiveLine["events"] {
  return min_ts !== null && Date.parse(min_ts) >= sinceMs ? events : null;
}
