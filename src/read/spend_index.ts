/**
 * Sums the costs of a log in a time window. The costs are cached between calls, so a budget check reads only lines that
 * were added since the last check.
 *
 * - The active file and the sealed segments are recognized by their inode, even after a rename. Reading continues where
 *   the last call ended.
 * - If an archive has a manifest line and is completely inside or outside the window, the archive is not decoded: its
 *   sum comes from the line. Other archives are decoded, and their costs are cached.
 *
 * @module
 */
import { readChunks } from "../platform/chunks.ts";
import { type FilePrint, hasPrint, printOf } from "../platform/file_print.ts";
import { type FileHandle, type FileStatus, isSameFile } from "../platform/file_system.ts";
import { PreciseSum } from "../cost/precise_sum.ts";
import { Turns } from "../platform/turns.ts";
import type { LogDirectory } from "../segments/log_directory.ts";
import type { ArchiveLine } from "../segments/manifest_line.ts";
import type { ManifestReader } from "../segments/manifest_reader.ts";
import type { SpendWindow } from "../cost/spend.ts";
import type { Clock } from "../platform/clock.ts";
import { blocksOf, UnreadableRestError } from "./blocks.ts";
import { CostColumn, type CostSummary, isInside, isOutside } from "./cost_column.ts";
import { DamageReport } from "./damage.ts";
import { LineTest } from "./line_test.ts";
import { lineOf, linesInTurns } from "./manifest_lines.ts";
import { eventsIn, type LinePlace, type ParseOptions } from "./parse_block.ts";
import type { QuerySource } from "./query.ts";
import { eventsOf, type ReadOptions } from "./read_file.ts";
import { type SnapshotFile, startIn, takeSnapshotInTurns } from "./snapshot.ts";

/** The costs of a file that is not compressed, up to the last byte that was read. */
class LiveCosts {
  /**
   * The earliest time whose costs were read, epoch milliseconds. If a window starts earlier, the file is read again.
   */
  #sinceMs = Infinity;
  #lineTest = new LineTest({});
  #column = new CostColumn();
  /**
   * The cost of the last line of the file if that line has no line break. The line may be unfinished, so the next
   * reading reads it again and replaces this cost.
   */
  readonly #tail = new CostColumn();
  #byteLength = 0;
  /**
   * The fingerprint of the bytes that were read, to recognize at the next reading whether the file still begins with
   * these bytes.
   */
  #print: FilePrint = { first: new Uint8Array(), last: new Uint8Array() };

  addTo(sum: PreciseSum, window: SpendWindow): void {
    this.#column.addTo(sum, window);
    this.#tail.addTo(sum, window);
  }

  /**
   * Reads the bytes that were added after the last reading. If the file is not the one that was read before, or if the
   * window starts before the costs that were read, reads the file from byte `start()`.
   */
  async readOn(
    { handle, byteLength }: OpenFile,
    { sinceMs, maxLineBytes, onDamage, start, isContinued, clock }: LiveOptions,
  ): Promise<void> {
    if (sinceMs < this.#sinceMs || !(isContinued || this.isContinuedBy(handle))) {
      this.#sinceMs = sinceMs;
      this.#lineTest = new LineTest({ strings: [["cost"]], sinceMs });
      this.#column = new CostColumn();
      this.#byteLength = start();
    }
    const options = { maxLineBytes, lineTest: this.#lineTest, onDamage };
    this.#tail.clear();
    const turns = new Turns(clock);
    const from = this.#byteLength;
    for await (const block of blocksOf(newChunks(handle, from, byteLength), maxLineBytes, from)) {
      if (turns.isDue) await turns.take();
      const end = block.byteOffset + block.byteLength;
      const isWhole = !block.isCut &&
        (end < byteLength || block.bytes?.at(-1) === LINE_BREAK);
      (isWhole ? this.#column : this.#tail).add(eventsIn(block, options));
      if (isWhole) this.#byteLength = end;
    }
    this.#print = printOf(handle, this.#byteLength);
  }

  /**
   * Checks with the fingerprint whether the file begins with the bytes that were read before. A comparison of the inode
   * is not enough, because file systems reuse inodes.
   */
  isContinuedBy(handle: FileHandle): boolean {
    return hasPrint(handle, this.#byteLength, this.#print);
  }
}

/**
 * Maximum number of new bytes that are read synchronously: enough for a few hundred events. More bytes are read
 * asynchronously.
 */
const ON_THE_SPOT_BYTES = 64 * 1024;

/**
 * Yields the bytes of a file from byte `from` on. A small number of bytes is read synchronously, which is faster than
 * an asynchronous read on a thread.
 */
async function* newChunks(
  handle: FileHandle,
  from: number,
  byteLength: number,
): AsyncGenerator<Uint8Array> {
  if (byteLength - from > ON_THE_SPOT_BYTES) return yield* readChunks(handle, byteLength, { from });
  const bytes = new Uint8Array(Math.max(0, byteLength - from));
  const read = handle.readSync(bytes, from);
  if (read > 0) yield bytes.subarray(0, read);
}

interface OpenFile {
  readonly handle: FileHandle;
  readonly byteLength: number;
}

interface LiveOptions extends Omit<ParseOptions, "lineTest"> {
  readonly clock: Clock;
  /** The start of the time window, epoch milliseconds. Earlier costs are not needed. */
  readonly sinceMs: number;
  /** Whether the caller has already checked that the file is the one that was read before. */
  readonly isContinued: boolean;
  /** Returns the byte offset at which to start reading a file that was not read before. */
  readonly start: () => number;
}

const LINE_BREAK = 0x0a;
/**
 * Maximum number of archives whose single costs are cached. If a time window contains only some costs of an archive,
 * the sum of the archive is not enough. If there are more such archives than the maximum, the costs of the least
 * recently used archive are dropped.
 */
const COLUMNS_MAX = 4;

/**
 * Maximum time in milliseconds for which a listing of the directory is reused without a check of the directory, while
 * the active file is the same.
 */
const BELIEVED_MS = 1_000;

/**
 * Maximum time in milliseconds for which a listing is reused while neither the directory nor the manifest changes. The
 * time is limited, because a program that changes an archive in place changes neither of the two.
 */
const UNCHANGED_MS = 60_000;
/**
 * Minimum age in milliseconds of the directory's last change. If that change is more recent, its time is not used,
 * because another change could get the same time and stay unnoticed.
 */
const SETTLED_MS = 3_000;

/**
 * The modification time of the directory and the length of the manifest. If neither changes, no file was added or
 * removed.
 */
interface Listed {
  readonly directoryMs: number;
  readonly manifestBytes: number;
}

/**
 * Returns the modification time of the directory and the length of the manifest, by which a later change is noticed.
 * Returns null if that time is unknown, or so recent that a second change in the same moment would not alter it.
 */
function listedAs({ fileSystem, files }: LogDirectory): Listed | null {
  const directoryMs = fileSystem.directoryStatus(files.directory)?.modifiedMs ?? null;
  if (directoryMs === null || Date.now() - directoryMs < SETTLED_MS) return null;
  return { directoryMs, manifestBytes: fileSystem.status(files.manifest)?.byteLength ?? -1 };
}

/** An archive, and the summary of its costs if the archive has a manifest line. */
interface KnownArchive {
  readonly file: SnapshotFile;
  readonly summary: CostSummary | undefined;
}

/** An open file that is not compressed: a sealed segment or the active file. */
interface LiveFile extends SnapshotFile {
  readonly handle: FileHandle;
  /** The key of the file in the cache: its device and inode, which stay the same after a rename. */
  readonly key: string;
}

/** The files of a log at one moment. Disposing of this object closes the open files. */
interface LogState extends Disposable {
  readonly archives: readonly KnownArchive[];
  /** The segments that are not archived yet, and the active file. */
  readonly live: readonly LiveFile[];
  /**
   * Whether `live` contains only the active file, and a check has found that this file is the one that was read before.
   */
  readonly isContinued: boolean;
}

/**
 * A state of the log in which every segment was archived. `foundMs` is the monotonic time of that state in
 * milliseconds.
 */
interface SettledState {
  readonly foundMs: number;
  /**
   * The monotonic time of the last listing of the directory, or of the last check that found the directory unchanged.
   */
  checkedMs: number;
  readonly listed: Listed | null;
  readonly archives: readonly KnownArchive[];
  readonly active: FileStatus;
}

function keyOf({ device, inode }: FileStatus, path: string): string {
  return `${device} ${inode ?? path}`;
}

function archiveKeyOf({ byteLength, path }: SnapshotFile): string {
  return `${byteLength} ${path}`;
}

/** Options of {@linkcode SpendIndex}. */
export interface SpendIndexOptions extends QuerySource {
  readonly manifest: ManifestReader;
  readonly clock: Clock;
}

/** Sums the costs of one log in time windows, and caches the costs between calls. */
export class SpendIndex {
  readonly #source: SpendIndexOptions;
  readonly #damage: DamageReport;
  readonly #lineTest = new LineTest({ strings: [["cost"]] });
  #live = new Map<string, LiveCosts>();
  readonly #summaries = new Map<string, CostSummary>();
  /** The single costs of archives, by archive. The least recently used archive is first. */
  readonly #columns = new Map<string, CostColumn>();
  #settled: SettledState | undefined;
  #running: Promise<unknown> = Promise.resolve();

  /** Stores the source; does not read the log yet. */
  constructor(source: SpendIndexOptions) {
    this.#source = source;
    this.#damage = new DamageReport(source.logger);
  }

  /**
   * Resolves with the cost in USD of the events in the window. The calls run one after the other, because they share
   * the cache.
   */
  spendIn(window: SpendWindow): Promise<number> {
    const spend = this.#running.then(() => this.#spendIn(window));
    // If the call fails, its caller gets the error through `spend`. The next call starts all the same.
    this.#running = spend.catch(() => {});
    return spend;
  }

  async #spendIn(window: SpendWindow): Promise<number> {
    const { log } = this.#source;
    await this.#source.beforeRead?.();
    using state = this.#stateAsFound() ?? await this.#look();
    const sum = new PreciseSum();
    const turns = new Turns(this.#source.clock);
    for (const archive of state.archives) {
      if (turns.isDue) await turns.take();
      if (this.#addKnown(archive, sum, window)) continue;
      (await this.#columnOf(archive.file)).addTo(sum, window);
    }
    const live = new Map<string, LiveCosts>();
    for (const file of state.live) {
      const costs = this.#live.get(file.key) ?? new LiveCosts();
      live.set(file.key, costs);
      const start = () => startIn(file, window.sinceMs, log);
      const { isContinued } = state;
      await this.#readOn(costs, file, { sinceMs: window.sinceMs, start, isContinued });
      costs.addTo(sum, window);
    }
    this.#live = live;
    return sum.value;
  }

  /**
   * Returns the last state of the log if {@linkcode SpendIndex.#isBelieved} allows its reuse and the active file is the
   * same. While the active file stays at its path, no new segment can appear. So the archives change only if retention
   * or another program removes or adds them.
   */
  #stateAsFound(): LogState | undefined {
    const settled = this.#settled;
    const { log } = this.#source;
    if (settled === undefined || !this.#isBelieved(settled)) return;
    using stack = new DisposableStack();
    const path = log.files.active;
    const handle = log.openActive(stack);
    const status = handle?.status();
    // On a file system without inodes, a new file at the path cannot be distinguished from the old one.
    if (handle === null || status === undefined || status.inode === null) return;
    if (!isSameFile(status, settled.active)) return;
    const key = keyOf(status, path);
    if (this.#live.get(key)?.isContinuedBy(handle) !== true) return;
    const { byteLength } = status;
    const kept = stack.move();
    return {
      archives: settled.archives,
      live: [{ path, isArchive: false, byteLength, handle, key }],
      isContinued: true,
      [Symbol.dispose]: () => kept.dispose(),
    };
  }

  /**
   * Checks whether the state can be reused without listing the directory again, because the state is new enough, or
   * because the directory and the manifest have not changed.
   */
  #isBelieved(settled: SettledState): boolean {
    const { clock, log } = this.#source;
    const nowMs = clock.monotonicMs();
    if (nowMs - settled.checkedMs <= BELIEVED_MS) return true;
    if (nowMs - settled.foundMs > UNCHANGED_MS || settled.listed === null) return false;
    const listed = listedAs(log);
    if (listed?.directoryMs !== settled.listed.directoryMs) return false;
    if (listed.manifestBytes !== settled.listed.manifestBytes) return false;
    settled.checkedMs = nowMs;
    return true;
  }

  /** Lists the directory and returns the current state of the log. */
  async #look(): Promise<LogState> {
    const { clock, log, logger, manifest } = this.#source;
    const foundMs = clock.monotonicMs();
    const turns = new Turns(clock);
    using stack = new DisposableStack();
    const listed = listedAs(log);
    const snapshot = stack.use(await takeSnapshotInTurns(log, turns));
    const lines = await linesInTurns(manifest, logger, turns);
    const archives: KnownArchive[] = [];
    const live: LiveFile[] = [];
    for (const file of snapshot.files) {
      if (turns.isDue) await turns.take();
      const { handle } = file;
      if (handle !== null) {
        live.push({ ...file, handle, key: keyOf(handle.status(), file.path) });
        continue;
      }
      const line = lineOf(file, lines);
      archives.push({ file, summary: line === undefined ? undefined : summaryOf(line) });
    }
    const [active, ...segments] = live.toReversed();
    const isSettled = active?.path === log.files.active && segments.length === 0;
    this.#settled = isSettled
      ? { foundMs, checkedMs: foundMs, listed, archives, active: active.handle.status() }
      : undefined;
    const kept = stack.move();
    return { archives, live, isContinued: false, [Symbol.dispose]: () => kept.dispose() };
  }

  async #readOn(
    costs: LiveCosts,
    file: OpenFile & { path: string },
    from: Pick<LiveOptions, "sinceMs" | "start" | "isContinued">,
  ): Promise<void> {
    const { clock, maxLineBytes } = this.#source;
    const onDamage = (line: LinePlace, reason: string) => this.#damage.add(file.path, line, reason);
    try {
      await costs.readOn(file, { ...from, clock, maxLineBytes, onDamage });
    } catch (error) {
      if (!(error instanceof UnreadableRestError)) throw error;
      this.#damage.add(file.path, { byteOffset: error.byteOffset, byteLength: 0 }, error.message);
    }
  }

  /** Adds the cost of an archive from its summary. Returns false if the archive has to be decoded instead. */
  #addKnown({ file, summary }: KnownArchive, sum: PreciseSum, window: SpendWindow): boolean {
    const known = summary ?? this.#summaries.get(archiveKeyOf(file));
    if (known === undefined) return false;
    if (isOutside(known, window)) return true;
    if (!isInside(known, window) || known.usd === null) return false;
    sum.add(known.usd);
    return true;
  }

  async #columnOf(file: SnapshotFile): Promise<CostColumn> {
    const key = archiveKeyOf(file);
    const column = this.#columns.get(key) ?? await this.#decode(file);
    this.#columns.delete(key);
    this.#columns.set(key, column);
    this.#summaries.set(key, column.summary());
    if (this.#columns.size > COLUMNS_MAX) {
      const [oldest = ""] = this.#columns.keys();
      this.#columns.delete(oldest);
    }
    return column;
  }

  async #decode(file: SnapshotFile): Promise<CostColumn> {
    const { log, clock, maxLineBytes } = this.#source;
    const column = new CostColumn();
    const options: ReadOptions = {
      log,
      clock,
      maxLineBytes,
      damage: this.#damage,
      lineTest: this.#lineTest,
      order: "asc",
      signal: undefined,
    };
    for await (const events of eventsOf(file, options)) column.add(events);
    return column;
  }
}

function summaryOf({ min_ts, max_ts, events }: ArchiveLine): CostSummary {
  if (min_ts === null || max_ts === null) return { minMs: Infinity, maxMs: -Infinity, usd: 0 };
  const sum = new PreciseSum();
  for (const { cost } of Object.values(events ?? {})) sum.add(cost);
  return {
    minMs: Date.parse(min_ts),
    maxMs: Date.parse(max_ts),
    usd: events === null ? null : sum.value,
  };
}
