/**
 * Compares the rollups of a log (files with the sums of each archive) with the events in the archives.
 *
 * @module
 */
import { basename } from "@std/path";
import { type AuditReader, gateMetrics, spend, stats, type StatsSource } from "@vivarium/scout";
import type { AuditEvent } from "../../src/event.ts";
import type { LogDirectory } from "../../src/segments/log_directory.ts";
import { ManifestReader } from "../../src/segments/manifest_reader.ts";
import { readRollup, storedRollup } from "../../src/segments/rollup_file.ts";

/** The fields and times by which events are grouped when sums are compared. Every rollup has sums for each of them. */
const GROUPS = ["model", "event", "session", "day"] as const;

/**
 * Number of digits that are compared. A deviation that is computed from the sums of archives is rounded differently
 * from one that is computed from single events.
 */
const DIGITS = 9;

/**
 * Returns the faults of the rollups (sums of the archives) of a recovered log: archives without a rollup, rollups
 * without an archive, rollups that differ from the manifest, and results of a reader that differ from those computed
 * from the decoded events.
 *
 * @param reader A reader of the log. No archive may have too many groups of events for a rollup, because the reader
 * would not use it.
 */
export async function rollupFaults(log: LogDirectory, reader: AuditReader): Promise<string[]> {
  const events = await reader.query().toArray();
  return [
    ...await fileFaults(log),
    ...await sumFaults(reader, events),
    ...await gateFaults(reader, events),
  ];
}

async function fileFaults(log: LogDirectory): Promise<string[]> {
  const { byArchive } = new ManifestReader(log).read();
  const faults = await Promise.all(
    log.segments().map(async ({ stamp, forms }) => {
      const name = basename(log.files.rollup(stamp));
      if (!forms.has("archive")) return forms.has("rollup") ? [`${name} has no archive`] : [];
      const line = byArchive.get(basename(log.files.archive(stamp)));
      if (typeof line?.rollup_sha256 !== "string") {
        return [`the manifest states no digest of ${name}`];
      }
      const stored = await storedRollup(log, stamp);
      if (stored === null) return [`${name} is missing`];
      if (stored.digest !== line.rollup_sha256) {
        return [`${name} is not the rollup that the manifest states`];
      }
      if (!stored.isWhole) return [`${name} is torn`];
      const rollup = readRollup(log, stamp, line.rollup_sha256);
      return rollup?.content_sha256 === line.sha256
        ? []
        : [`${name} has the sums of other content`];
    }),
  );
  return faults.flat();
}

/** Compares the sums that a reader returns with the sums of the events. */
export async function sumFaults(
  reader: StatsSource,
  events: readonly AuditEvent[],
): Promise<string[]> {
  const faults: string[] = [];
  for (const by of GROUPS) {
    for (const sumUp of [spend, stats]) {
      // A stream of events has no rollups, so its sums are computed from the single events.
      const [actual, expected] = await Promise.all(
        [reader, ReadableStream.from(events)].map(async (source) =>
          comparable(await sumUp(source, { by }))
        ),
      );
      if (actual === expected) continue;
      faults.push(
        `${sumUp.name}() by ${
          JSON.stringify(by)
        } returned ${actual}, but the events have ${expected}`,
      );
    }
  }
  return faults;
}

/** Compares the decisions of the gate that a reader counts with those of the events. */
async function gateFaults(reader: AuditReader, events: readonly AuditEvent[]): Promise<string[]> {
  const [actual, expected] = [
    comparable(await reader.gateMetrics()),
    comparable(await gateMetrics(ReadableStream.from(events))),
  ];
  return actual === expected
    ? []
    : [`gateMetrics() returned ${actual}, but the events have ${expected}`];
}

function comparable(answer: unknown): string {
  return JSON.stringify(
    answer,
    (_name, value) => typeof value === "number" ? Number(value.toPrecision(DIGITS)) : value,
  );
}
