/**
 * Counts events by type. If the manifest has the counts of an archive, the archive is not decoded.
 *
 * @module
 */
import type { ArchiveLine } from "../segments/manifest_line.ts";
import type { TimeLike } from "../time.ts";
import { DamageReport } from "./damage.ts";
import { eventFilter } from "./filter.ts";
import type { QuerySource } from "./query.ts";
import { readExceptTaken } from "./whole_archives.ts";

/** The events that {@linkcode countEvents} counts. */
export interface CountOptions {
  readonly since: TimeLike;
  readonly eventType: readonly string[];
}

/** Resolves with the number of events of each type in `eventType` that are not before `since`. */
export async function countEvents(
  source: QuerySource,
  options: CountOptions,
): Promise<ReadonlyMap<string, number>> {
  const filter = eventFilter(options);
  const counts = new Map(options.eventType.map((type) => [type, 0]));
  const count = (type: string, events: number) => counts.set(type, counts.get(type)! + events);
  await readExceptTaken(
    source,
    { filter, order: "asc", damage: new DamageReport(source.logger) },
    {
      taker: {
        take({ line }) {
          const figures = figuresSince(line, filter.sinceMs);
          if (figures === null) return false;
          for (const type of options.eventType) count(type, figures[type]?.count ?? 0);
          return true;
        },
      },
      // The filter selects only events with one of the types.
      add: ({ event }) => count(event!, 1),
    },
  );
  return counts;
}

/**
 * Returns the figures of an archive by event type from its manifest line. Returns null if the line has no figures or no
 * times, or if the earliest event of the archive is before the instant `sinceMs`.
 */
function figuresSince({ min_ts, events }: ArchiveLine, sinceMs: number): ArchiveLine["events"] {
  return min_ts !== null && Date.parse(min_ts) >= sinceMs ? events : null;
}
