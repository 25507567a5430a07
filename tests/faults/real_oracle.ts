/**
 * Compares a log on the real disk with the outcomes that its writer had reported.
 *
 * @module
 */
import { AuditLog, AuditReader, type Logger } from "@vivarium/scout";
import { createHash } from "node:crypto";
import { gunzipSync } from "node:zlib";
import { join } from "@std/path";
import { messageOf } from "../../src/errors.ts";
import { denoFileSystem } from "../../src/platform/deno_file_system.ts";
import { LogDirectory } from "../../src/segments/log_directory.ts";
import { decodeLog, readManifest } from "../decoded_log.ts";
import { fieldsOf } from "../programs/killed_writer.ts";
import { Violation } from "./harness.ts";
import { rollupFaults } from "./rollup_check.ts";

/** Name of the active file. */
export const ACTIVE = "audit.jsonl";

/** The outcomes that a writer reported for its events. */
export class Promised {
  /** Events that may be in the log. */
  readonly logged = new Set<number>();
  /** Events whose call resolved, or that a flush() or close() has made durable. */
  readonly kept = new Set<number>();
  /** Events whose call rejected because they are not in the log. */
  readonly refused = new Set<number>();
  /** Failures that the writer reported. */
  readonly failures: string[] = [];

  /** Reads the output of `killed_writer.ts`. */
  take(output: string): void {
    // The text after the last line break is an incomplete report.
    for (const line of output.split("\n").slice(0, -1)) this.#takeLine(line);
  }

  /** Marks an event as acknowledged. */
  keep(n: number): void {
    this.logged.add(n);
    this.kept.add(n);
  }

  #takeLine(line: string): void {
    const [what = "", detail = ""] = line.split(" ", 2);
    const n = Number(detail);
    if (what === "logged") this.logged.add(n);
    else if (what === "acknowledged") this.kept.add(n);
    else if (what === "refused") this.refused.add(n);
    else if (what === "failed") this.failures.push(line);
    else if (what === "durable") {
      for (const logged of this.logged) {
        if (logged <= n && !this.refused.has(logged)) this.kept.add(logged);
      }
    }
  }
}

/** Damage that a test did to the log on purpose. The check must not report it as a fault. */
export interface Damages {
  /** Incomplete lines that the test left in the log. */
  readonly tornLines?: readonly string[];
}

/**
 * Recovers the log in the directory in this process. Checks that each event is in the log as often as promised, whole
 * and in order, that nothing is left to repair, and that another recovery changes nothing.
 *
 * @throws {Violation} If a promise is broken; the message names the promise.
 */
export async function checkRecovered(
  directory: string,
  promised: Promised,
  { tornLines = [] }: Damages = {},
): Promise<void> {
  const [failure] = promised.failures;
  if (failure !== undefined) throw new Violation("other", `the writer reported: ${failure}`);
  const path = join(directory, ACTIVE);
  await checkReader(path, promised);
  await reopen(path, async (log) => {
    const query = log.query();
    checkEvents("query()", await query.toArray(), promised);
    const damaged = query.damage.map(({ reason, byteOffset }) => `${reason} at ${byteOffset}`);
    if (damaged.length === tornLines.length) return;
    throw new Violation("torn", `${damaged.length} damaged regions after recovery: ${damaged}`);
  });
  await checkFiles(directory, promised, tornLines);
  await checkRollups(path);

  const before = snapshotOf(directory);
  const found = await reopen(path, () => Promise.resolve());
  if (found.length > 0) throw new Violation("other", `a second recovery found work: ${found}`);
  const after = snapshotOf(directory);
  const changed = [...new Set([...before.keys(), ...after.keys()])]
    .filter((name) => before.get(name) !== after.get(name));
  if (changed.length > 0) throw new Violation("other", `a second recovery changed ${changed}`);
}

/** Checks that a reader finds everything even before the log is recovered. */
async function checkReader(path: string, promised: Promised): Promise<void> {
  const logger: Logger = { debug() {}, info() {}, warn() {}, error() {} };
  await using reader = await AuditReader.open({ path, logger });
  checkEvents("a reader before recovery", await reader.query().toArray(), promised);
}

/**
 * Opens the log, waits for recovery, runs `look` on the log and closes it. Resolves with the repairs of the recovery.
 */
async function reopen(path: string, look: (log: AuditLog) => Promise<void>): Promise<string[]> {
  const errors: string[] = [];
  const error = (...parts: unknown[]) => errors.push(parts.map(String).join(" "));
  const logger: Logger = { debug() {}, info() {}, warn() {}, error };
  const log = await AuditLog.open({ path, sessionId: "oracle", logger });
  let done: string[];
  try {
    const { closedTornTail, archived, removed, addedToManifest } = await log.recovery;
    done = [...closedTornTail ? ["torn tail"] : [], ...archived, ...removed, ...addedToManifest];
    await look(log);
  } finally {
    await log.close();
  }
  if (errors.length > 0) throw new Violation("other", `recovery failed: ${errors.join("; ")}`);
  return done;
}

/** Checks the files without the library's reader. */
async function checkFiles(
  directory: string,
  promised: Promised,
  tornLines: readonly string[],
): Promise<void> {
  const { archives, sealed, leftovers, lines } = await decodeLog(directory);
  const untorn = lines.filter((line) => !tornLines.includes(line));
  checkEvents("the files", untorn.map(parsed), promised);
  const torn = lines.length - untorn.length;
  if (torn !== tornLines.length) {
    throw new Violation("torn", `${torn} of ${tornLines.length} torn lines were kept as evidence`);
  }
  const rollups = archives.map((archive) => archive.replace(/\.gz$/, ".rollup"));
  const known = [ACTIVE, `${ACTIVE}.lock`, "audit.manifest.jsonl", ...archives, ...rollups];
  const names = Array.from(Deno.readDirSync(directory), ({ name }) => name);
  const untidy = new Set([
    ...sealed,
    ...leftovers,
    ...names.filter((name) => !known.includes(name)),
  ]);
  if (untidy.size > 0) throw new Violation("other", `recovery left ${[...untidy]}`);
  checkArchives(directory, archives);
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new Violation("torn", `the files contain a line that is not JSON: ${line.slice(0, 200)}`);
  }
}

/** Checks that each archive has a rollup whose sums are those of its events. */
async function checkRollups(path: string): Promise<void> {
  const logger: Logger = { debug() {}, info() {}, warn() {}, error() {} };
  await using reader = await AuditReader.open({ path, logger });
  const [fault] = await rollupFaults(new LogDirectory(denoFileSystem, path), reader);
  if (fault !== undefined) throw new Violation("other", `rollups: ${fault}`);
}

/** Checks that each archive is complete and matches its line in the manifest. */
function checkArchives(directory: string, archives: readonly string[]): void {
  if (archives.length === 0) return;
  const { lines, count, faults } = readManifest(directory);
  const hashes = new Map(lines.map(({ archive, sha256 }) => [archive, sha256]));
  if (faults.length > 0 || count !== archives.length || hashes.size !== archives.length) {
    const what = `${count} lines for ${archives.length} archives, faults: ${faults}`;
    throw new Violation("other", `the manifest has ${what}`);
  }
  for (const archive of archives) {
    if (hashes.get(archive) !== hashOfArchive(join(directory, archive))) {
      throw new Violation("other", `the manifest has no hash or a different one for ${archive}`);
    }
  }
}

function hashOfArchive(path: string): string {
  try {
    return createHash("sha256").update(gunzipSync(Deno.readFileSync(path))).digest("hex");
  } catch (cause) {
    throw new Violation("torn", `an archive cannot be decoded: ${path}: ${messageOf(cause)}`);
  }
}

/** Checks the events, in the order of the log, against the outcomes that the writer reported. */
export function checkEvents(where: string, events: readonly unknown[], promised: Promised): void {
  const numbers = events.map((event) => numberOf(where, event));
  const broken = (what: string, numbers: Iterable<number>) => `${where}: ${what}: ${[...numbers]}`;
  const found = new Set(numbers);
  if (found.size < numbers.length) throw new Violation("doubled", broken("duplicates in", numbers));
  if (numbers.some((n, at) => n < (numbers[at - 1] ?? n))) {
    throw new Violation("reordered", broken("out of order", numbers));
  }
  const lost = promised.kept.difference(found);
  if (lost.size > 0) throw new Violation("lost", broken("missing acknowledged events", lost));
  const holes = holesIn(numbers, promised);
  if (holes.length > 0) throw new Violation("lost", broken("missing before later events", holes));
  const refused = promised.refused.intersection(found);
  if (refused.size > 0) throw new Violation("other", broken("rejected events", refused));
  const foreign = found.difference(promised.logged);
  if (foreign.size > 0) {
    throw new Violation("other", broken("events that were not logged", foreign));
  }
}

/**
 * Returns the events that are missing although later events were found. Lines reach the file in order, so a lost event
 * can only be one of the last. The result must be empty.
 */
function holesIn(numbers: readonly number[], { logged, refused }: Promised): number[] {
  const found = new Set(numbers);
  const last = numbers.at(-1) ?? -1;
  return [...logged].filter((n) => n < last && !found.has(n) && !refused.has(n));
}

function numberOf(where: string, event: unknown): number {
  const { n, length, text } = event as Partial<ReturnType<typeof fieldsOf>>;
  if (typeof n === "number" && typeof length === "number" && text === fieldsOf(n, length).text) {
    return n;
  }
  const shown = JSON.stringify(event).slice(0, 200);
  throw new Violation("torn", `${where}: incomplete event: ${shown}`);
}

/** Returns the length and hash of each file. */
function snapshotOf(directory: string): Map<string, string> {
  return new Map(Array.from(Deno.readDirSync(directory), ({ name }) => {
    const bytes = Deno.readFileSync(join(directory, name));
    return [name, `${bytes.byteLength} ${createHash("sha256").update(bytes).digest("hex")}`];
  }));
}
