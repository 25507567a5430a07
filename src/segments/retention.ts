/**
 * Prunes the archives of a log: if a limit of the `retention` option is exceeded, the oldest archives are deleted. Each
 * removal is recorded in the manifest first:
 *
 *     check that the file matches its manifest line -> add a manifest line for the removal -> remove the file ->
 *     sync the directory
 *
 * An archive is removed only if its name and its manifest line, including the digest, prove that this library created
 * it. Therefore an archive whose line was rebuilt by recovery is never removed. If a removal is interrupted, the next
 * run completes the removal.
 *
 * A log can be copied (shipped) into fleets; a fleet is a group of logs on a server. With the option `untilShipped`, an
 * archive is kept until every fleet has received it. But if the archives that are not shipped yet exceed a limit of
 * this option, the oldest of them is removed, and a warning names the fleets that miss it.
 *
 * @module
 */
import { basename } from "../platform/path.ts";
import { messageOf } from "../errors.ts";
import { BUDGET_STATE } from "../event.ts";
import type { Logger } from "../logger.ts";
import type { RetentionPolicy } from "../options/log_options.ts";
import { removeFile } from "../platform/regular_file.ts";
import { Turns } from "../platform/turns.ts";
import { counted } from "../shown.ts";
import { fileDigest, type InTurns } from "./archive_content.ts";
import type { LogDirectory } from "./log_directory.ts";
import type { Manifest } from "./manifest.ts";
import type { ArchiveLine } from "./manifest_line.ts";
import type { ManifestLines } from "./manifest_lines.ts";
import { type DueArchive, dueArchives, isUnshipped, type OwnArchive } from "./retention_policy.ts";
import {
  createShipped,
  readShipped,
  type Received,
  receivedByAll,
  type ShippedLines,
  stampIn,
} from "./shipped_file.ts";

/** Options of {@linkcode Retention}. */
export interface RetentionOptions extends InTurns {
  readonly log: LogDirectory;
  readonly manifest: Manifest;
  readonly logger: Logger;
  readonly policy: RetentionPolicy;
  /** Returns the time of the log's clock, epoch milliseconds. */
  readonly now: () => number;
  /**
   * Writes a `budget_state` line, with the amounts of all budgets, into the active file unless the file already has
   * such a line. Resolves with `true` when the line is durable, and with `false` if the write fails. Without this
   * function, archives that may have the newest `budget_state` line are kept.
   */
  readonly keepBudgets?: (() => Promise<boolean>) | undefined;
}

/** An archive that this library created, according to its name and manifest line. */
interface ListedArchive extends OwnArchive {
  readonly name: string;
  readonly line: ArchiveLine;
}

/** Deletes the archives of one log that exceed a limit of its retention policy. */
export class Retention {
  readonly #options: RetentionOptions;
  /**
   * Names of archives that differ from their manifest lines. Retention does not delete these archives, because another
   * program may have replaced them. Each is logged once.
   */
  readonly #foreign = new Set<string>();
  /**
   * The fleets of earlier warnings. Maps the text of the warning about a fleet to the newest archive that the fleet had
   * received at that time; null if it had received none.
   */
  readonly #missing = new Map<string, string | null>();
  #running: Promise<string[]> = Promise.resolve([]);

  /** Creates the object; does not access the disk. */
  constructor(options: RetentionOptions) {
    this.#options = options;
  }

  /**
   * Deletes the archives that exceed a limit of the retention policy, oldest first. Resolves with the names of the
   * deleted archives. Logs a failure; never rejects.
   */
  apply(): Promise<string[]> {
    return this.#running = this.#running.then(() => this.#apply());
  }

  async #apply(): Promise<string[]> {
    const { logger, signal } = this.#options;
    const removed: string[] = [];
    try {
      await this.#finishRemovals(removed);
      await this.#createShipped();
      for (
        let next = await this.#next();
        next !== undefined && !signal.aborted;
        next = await this.#next()
      ) {
        // Archives are removed oldest first. So if one archive must be kept, all newer archives are kept too.
        if (!(await this.#mayRemove(next.archive))) break;
        await this.#prune(next, removed);
      }
    } catch (error) {
      if (!signal.aborted) {
        logger.error(
          `Pruning failed; the archives are kept until pruning succeeds: ${messageOf(error)}`,
        );
      }
    }
    return removed;
  }

  async #next(): Promise<DueArchive<ListedArchive> | undefined> {
    const { policy, now, log, manifest, clock } = this.#options;
    const turns = new Turns(clock);
    await manifest.catchUp(turns);
    const own = (await ownArchives(log, manifest.read(), turns))
      .filter(({ name }) => !this.#foreign.has(name));
    const received = policy.untilShipped === undefined
      ? null
      : receivedByAll(this.#readShipped(), log);
    return dueArchives(own, policy, now(), received)[0];
  }

  /**
   * If the policy has `untilShipped`, creates the file in which the processes that ship the log record the newest
   * archive that they have shipped. Logs a failure.
   */
  async #createShipped(): Promise<void> {
    const { policy, log } = this.#options;
    if (policy.untilShipped === undefined) return;
    try {
      await createShipped(log);
    } catch (error) {
      log.warnOnce(
        `Cannot create file for shippers; archives are kept until they exceed the limits of retention.untilShipped: ${
          messageOf(error)
        }: ${log.files.shipped}`,
      );
    }
  }

  #readShipped(): ShippedLines | null {
    const { log } = this.#options;
    const lines = readShipped(log);
    if (lines !== null && lines.damage !== null) {
      log.warnOnce(
        `Cannot read how far the log is shipped; archives are kept until they exceed the limits of retention.untilShipped: ${lines.damage}: ${log.files.shipped}`,
      );
    }
    return lines;
  }

  /**
   * Logs a warning for each fleet that will miss an archive. Warns of the same fleet again only after the fleet has
   * received further archives.
   */
  #warnOfMissing({ name, stamp, line }: ListedArchive): void {
    const { policy, log, logger } = this.#options;
    if (policy.untilShipped === undefined) return;
    const lines = readShipped(log);
    if (!isUnshipped({ stamp }, receivedByAll(lines, log))) return;
    const isLate = ({ archive }: Received) => isUnshipped({ stamp }, stampIn(archive, log));
    const late = lines?.fleets.filter(isLate) ?? [];
    const named = late.map((each) => ({ text: fleetText(each), archive: each.archive }));
    const fleets = named.length > 0 ? named : [{ text: unnamedText(lines), archive: null }];
    for (const { text, archive } of fleets) {
      if (this.#missing.get(text) === archive) continue;
      this.#missing.set(text, archive);
      logger.warn(
        `An archive is deleted before it is shipped, because a limit of retention.untilShipped is exceeded: ${text}; ` +
          `the fleet will miss ${
            counted(line.lines, "line")
          } of ${name}, and those of later archives that are deleted before they are shipped: ` +
          log.files.active,
      );
    }
  }

  /**
   * Checks whether an archive can be removed without losing the amounts of the budgets. A `budget_state` line has the
   * amounts of all budgets. The amounts are computed from the newest such line and all lines after it, so the archive
   * with that line must not be removed before a newer file has such a line.
   *
   * - If a newer archive has a `budget_state` line, resolves with `true`.
   * - If neither this archive nor an older one can have a `budget_state` line, resolves with `true`.
   * - Otherwise, calls `keepBudgets`, which writes a `budget_state` line into the active file. Resolves with `true` if
   *   this succeeds.
   */
  async #mayRemove({ name }: ListedArchive): Promise<boolean> {
    const { byArchive } = this.#options.manifest.read();
    let hasOlderState = false;
    for (const line of byArchive.values()) {
      if (line.archive <= name) hasOlderState ||= mayHaveBudgets(line);
      else if (hasBudgets(line)) return true;
    }
    return !hasOlderState || (await this.#options.keepBudgets?.() ?? false);
  }

  async #prune(
    { archive, reason }: DueArchive<ListedArchive>,
    removed: string[],
  ): Promise<void> {
    const { manifest, now, logger } = this.#options;
    const { name, line } = archive;
    if (!(await this.#isOurs(name, line.gzip_sha256))) {
      // Another process has removed the archive first.
      if (this.#options.log.fileSystem.status(this.#pathOf(name)) === null) return;
      this.#foreign.add(name);
      logger.warn(
        `Cannot prune archive: the file differs from its manifest line; the archive is kept: ${name}`,
      );
      return;
    }
    await manifest.append(({ byArchive }) => {
      // Another process may have deleted the archive and recorded this in the manifest first.
      if (byArchive.get(name)?.gzip_sha256 !== line.gzip_sha256) return [];
      const { gzip_sha256 } = line;
      return [{ pruned: name, gzip_sha256, reason, pruned_ts: new Date(now()).toISOString() }];
    });
    // Remove the file only if the manifest records the removal. Another process may have changed the manifest
    // meanwhile.
    const recorded = manifest.read().pruned.get(name);
    if (recorded?.gzip_sha256 !== line.gzip_sha256) return;
    this.#warnOfMissing(archive);
    await this.#remove(name, removed);
  }

  /** Removes archives whose removal is recorded in the manifest but was interrupted. */
  async #finishRemovals(removed: string[]): Promise<void> {
    const { log, manifest, clock } = this.#options;
    const turns = new Turns(clock);
    await manifest.catchUp(turns);
    const { pruned } = manifest.read();
    if (pruned.size === 0) return;
    for (const { stamp, forms } of await log.segmentsInTurns(turns)) {
      if (turns.isDue) await turns.take();
      const name = basename(log.files.archive(stamp));
      const line = pruned.get(name);
      if (line === undefined || !forms.has("archive") || forms.has("sealed")) continue;
      if (await this.#isOurs(name, line.gzip_sha256)) await this.#remove(name, removed);
    }
  }

  async #isOurs(name: string, gzip_sha256: string): Promise<boolean> {
    const { log } = this.#options;
    const path = this.#pathOf(name);
    using stack = new DisposableStack();
    const archive = log.open(path, stack);
    if (archive === null) return false;
    const { sha256 } = await fileDigest(archive, this.#options);
    return sha256 === gzip_sha256 && log.isAt(path, archive);
  }

  async #remove(name: string, removed: string[]): Promise<void> {
    const { log } = this.#options;
    try {
      await log.fileSystem.removeAsync(this.#pathOf(name));
      removed.push(name);
    } catch (error) {
      // Another process has removed the archive first.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    this.#removeRollup(name);
    await log.sync();
  }

  /**
   * Removes the rollup, the file with the sums, of a removed archive. A failure is only logged, because otherwise it
   * would stop the removal of further archives. If the process is killed before the removal, or the removal fails,
   * recovery removes the rollup.
   */
  #removeRollup(name: string): void {
    const { log } = this.#options;
    const path = log.files.rollup(log.files.parse(name)!.stamp);
    try {
      removeFile(log.fileSystem, path);
    } catch (error) {
      log.warnOnce(
        `Cannot remove the sums of a deleted archive; the next open() retries this: ${
          messageOf(error)
        }: ${path}`,
      );
    }
  }

  #pathOf(name: string): string {
    const { files } = this.#options.log;
    return files.archive(files.parse(name)!.stamp);
  }
}

/** Resolves with the archives that this library created, according to their names and manifest lines, oldest first. */
export async function ownArchives(
  log: LogDirectory,
  lines: ManifestLines,
  turns: Turns,
): Promise<ListedArchive[]> {
  const own: ListedArchive[] = [];
  for (const { stamp, forms } of await log.segmentsInTurns(turns)) {
    if (turns.isDue) await turns.take();
    const path = log.files.archive(stamp);
    const name = basename(path);
    const line = lines.byArchive.get(name);
    if (line === undefined || line.rebuilt || forms.has("sealed")) continue;
    const status = forms.has("archive") ? log.fileSystem.status(path) : null;
    const isListed = status?.kind === "file" && status.byteLength === line.gzip_bytes;
    if (isListed) own.push({ stamp, name, line, gzip_bytes: line.gzip_bytes });
  }
  return own;
}

/**
 * Checks whether an archive may have a `budget_state` line, which has the amounts of all budgets. The answer is true if
 * the manifest has no list of the event types in the archive.
 */
function mayHaveBudgets({ events }: ArchiveLine): boolean {
  return events === null || Object.hasOwn(events, BUDGET_STATE);
}

/** Checks whether an archive certainly has a `budget_state` line, which has the amounts of all budgets. */
function hasBudgets({ events }: ArchiveLine): boolean {
  return events !== null && Object.hasOwn(events, BUDGET_STATE);
}

function unnamedText(lines: ShippedLines | null): string {
  if (lines === null) return "the file in which shippers record their progress does not exist";
  return lines.damage ?? "no shipper has reached its fleet yet";
}

function fleetText({ stream, fleet, log }: Received): string {
  return `fleet ${fleet} has not received it as log ${log} in stream ${stream}`;
}
