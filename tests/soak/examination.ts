/**
 * Compares a log after a soak test, in which writers were killed at random, with the outcomes that its writers
 * reported.
 *
 * @module
 */
import { AuditLog, AuditReader, type Logger } from "@vivarium/scout";
import {
  brokenArchives,
  type DecodedLog,
  decodeLog,
  readManifest,
  type Tally,
  tally,
} from "../decoded_log.ts";
import { denoFileSystem } from "../../src/platform/deno_file_system.ts";
import { LogDirectory } from "../../src/segments/log_directory.ts";
import { rollupFaults } from "../faults/rollup_check.ts";
import type { Played } from "./supervisor.ts";
import type { Account } from "./writer.ts";

/** The results of an examination. */
export interface Examination {
  rotations: number;
  found: number;
  /** Incomplete lines, which killed writers leave. These are not faults. */
  torn: number;
  manifest: string;
  /** Faults by kind. The log has passed if every list is empty. */
  faults: Readonly<Record<Fault, readonly string[]>>;
}

/** A kind of fault. */
export type Fault =
  | "acknowledged events lost"
  | "rejected events found"
  | "events duplicated"
  | "events out of order"
  | "query differs from the files"
  | "files left over"
  | "damaged archives"
  | "manifest faults"
  | "rollup faults"
  | "faults found by verify()"
  | "work left for a second recovery"
  | "unexpected failures";

/** Recovers the log as the next `open()` would, then examines all files of the log. */
export async function examine(
  { directory, path }: { directory: string; path: string },
  { accounts, kills, tears }: Played,
): Promise<Examination> {
  const warnings: string[] = [];
  await recover(path, warnings);
  const left = await recover(path, warnings);
  const onDisk = await decodeLog(directory);
  const tallied = tally(onDisk.lines);
  const manifest = manifestFaults(directory, onDisk);
  return {
    rotations: onDisk.archives.length,
    found: onDisk.lines.length - tallied.torn.length,
    torn: tallied.torn.length,
    manifest: manifest.length === 0 ? `complete, ${onDisk.archives.length} lines` : "faulty",
    faults: {
      ...eventFaults(accounts, tallied),
      "query differs from the files": await queryFaults(path, tallied),
      "files left over": [...onDisk.sealed, ...onDisk.leftovers],
      "damaged archives": await brokenArchives(directory, onDisk.archives),
      "manifest faults": manifest,
      "rollup faults": await rollupFaultsIn(path),
      "faults found by verify()": await verifyFaults(path),
      "work left for a second recovery": left,
      "unexpected failures": [
        ...accounts.flatMap(({ by, failures }) => failures.map((failure) => `${by}: ${failure}`)),
        ...warnings,
        ...(tallied.torn.length < tears
          ? ["torn lines were removed; they must be kept as evidence"]
          : []),
        ...(tallied.torn.length > tears + kills ? ["more torn lines than kills"] : []),
      ],
    },
  };
}

async function rollupFaultsIn(path: string): Promise<string[]> {
  const logger: Logger = { debug() {}, info() {}, warn() {}, error() {} };
  await using reader = await AuditReader.open({ path, logger });
  return await rollupFaults(new LogDirectory(denoFileSystem, path), reader);
}

async function verifyFaults(path: string): Promise<string[]> {
  await using reader = await AuditReader.open({ path });
  const { faults } = await reader.verify();
  return faults.map(({ path, line, reason }) => `${path}, line ${line}: ${reason}`);
}

/** Opens and closes the log. Returns the repairs that its recovery made. */
async function recover(path: string, failures: string[]): Promise<string[]> {
  const fail = (...parts: unknown[]) => failures.push(parts.map(String).join(" "));
  const logger: Logger = { debug() {}, info() {}, warn: fail, error: fail };
  await using log = await AuditLog.open({ path, logger });
  const { closedTornTail, archived, removed, addedToManifest } = await log.recovery;
  const done = [...archived, ...removed, ...addedToManifest];
  return closedTornTail ? ["torn tail", ...done] : done;
}

type EventFault =
  | "acknowledged events lost"
  | "rejected events found"
  | "events duplicated"
  | "events out of order";

function eventFaults(
  accounts: readonly Account[],
  { numbers }: Tally,
): Record<EventFault, string[]> {
  const faults: Record<EventFault, string[]> = {
    "acknowledged events lost": [],
    "rejected events found": [],
    "events duplicated": [],
    "events out of order": [],
  };
  for (const { by, acknowledged, refused } of accounts) {
    const found = numbers.get(by) ?? [];
    const once = new Set(found);
    const named = (events: Iterable<number>) => Array.from(events, (n) => `${by} ${n}`);
    faults["acknowledged events lost"].push(...named(acknowledged.difference(once)));
    faults["rejected events found"].push(...named(refused.intersection(once)));
    faults["events duplicated"].push(...named(duplicates(found)));
    faults["events out of order"].push(...named(found.filter((n, at) => n < (found[at - 1] ?? n))));
  }
  return faults;
}

function duplicates(numbers: readonly number[]): Set<number> {
  const seen = new Set<number>();
  const repeated = new Set<number>();
  for (const n of numbers) (seen.has(n) ? repeated : seen).add(n);
  return repeated;
}

async function queryFaults(path: string, { numbers }: Tally): Promise<string[]> {
  const logger: Logger = { debug() {}, info() {}, warn() {}, error() {} };
  await using log = await AuditLog.open({ path, logger });
  const lines: string[] = [];
  for await (const { by, n } of log.query()) lines.push(JSON.stringify({ by, n }));
  const queried = tally(lines).numbers;
  return [...new Set([...numbers.keys(), ...queried.keys()])].filter((by) =>
    JSON.stringify(numbers.get(by)) !== JSON.stringify(queried.get(by))
  );
}

function manifestFaults(directory: string, log: DecodedLog): string[] {
  const { lines, count, faults } = readManifest(directory);
  if (count !== lines.length) {
    faults.push(`the manifest has ${count} lines for ${lines.length} archives`);
  }
  const statedLines = lines.reduce((sum, line) => sum + line.lines, 0);
  if (statedLines !== log.archivedLines) {
    faults.push(
      `the manifest counts ${statedLines} lines, but the archives contain ${log.archivedLines}`,
    );
  }
  const stated = new Set(lines.map(({ archive }) => archive));
  const present = new Set(log.archives);
  for (const archive of present.difference(stated)) {
    faults.push(`the manifest has no line for ${archive}`);
  }
  for (const archive of stated.difference(present)) {
    faults.push(`the manifest lists an archive that does not exist: ${archive}`);
  }
  return faults;
}
