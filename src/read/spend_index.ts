/**
 * The costs of a log by time, kept between one question and the next, so that a budget gate reads only
 * what is new.
 *
 * - The active file and the segments behind it are known by their inode, and read on from where the last
 *   reading ended, whatever name they have by now.
 * - An archive that lies wholly inside or outside of what is asked for is answered by its line in the
 *   manifest. One at an edge, or without a line, is decoded, and what it cost is remembered.
 *
 * @module
 */
import { readChunks } from "../platform/chunks.ts";
import { type FilePrint, hasPrint, printOf } from "../platform/file_print.ts";
import type { FileHandle, FileStatus } from "../platform/file_system.ts";
import { PreciseSum } from "../cost/precise_sum.ts";
import { isSameFile, openInto } from "../platform/regular_file.ts";
import type { ArchiveLine } from "../segments/manifest_line.ts";
import type { ManifestReader } from "../segments/manifest_reader.ts";
import { LogFiles } from "../segments/segment_name.ts";
import type { SpendWindow } from "../cost/spend.ts";
import type { Clock } from "../platform/clock.ts";
import { blocksOf, UnreadableRestError } from "./blocks.ts";
import { CostColumn, type CostSummary, isInside, isOutside } from "./cost_column.ts";
import { DamageReport } from "./damage.ts";
import { LineTest } from "./line_test.ts";
import { lineOf, linesOf } from "./manifest_lines.ts";
import { eventsIn, type LinePlace, type ParseOptions } from "./parse_block.ts";
import type { LineSource } from "./query.ts";
import { eventsOf, type ReadOptions } from "./read_file.ts";
import { type SnapshotFile, startIn, takeSnapshot } from "./snapshot.ts";

/** The costs of a file that is not compressed, as far as it was read. */
class LiveCosts {
  /** Costs from this instant on; a question that reaches further back has the file read again. */
  #sinceMs = Infinity;
  #lineTest = new LineTest({});
  #column = new CostColumn();
  /** What follows the last line break, which may not be all of its line yet. */
  readonly #tail = new CostColumn();
  #byteLength = 0;
  /** The print of what was read. */
  #print: FilePrint = { first: new Uint8Array(), last: new Uint8Array() };

  addTo(sum: PreciseSum, window: SpendWindow): void {
    this.#column.addTo(sum, window);
    this.#tail.addTo(sum, window);
  }

  /** Reads on, or from the beginning when this is not the file that was read, whatever its inode says. */
  async readOn(
    { handle, byteLength }: OpenFile,
    { sinceMs, maxLineBytes, onDamage, start, isContinued }: LiveOptions,
  ): Promise<void> {
    if (sinceMs < this.#sinceMs || !(isContinued || this.isContinuedBy(handle))) {
      this.#sinceMs = sinceMs;
      this.#lineTest = new LineTest({ strings: [["cost"]], sinceMs });
      this.#column = new CostColumn();
      this.#byteLength = start();
    }
    const options = { maxLineBytes, lineTest: this.#lineTest, onDamage };
    this.#tail.clear();
    const from = this.#byteLength;
    for await (const block of blocksOf(newChunks(handle, from, byteLength), maxLineBytes, from)) {
      const end = block.byteOffset + block.byteLength;
      const isWhole = !block.isCut &&
        (end < byteLength || block.bytes?.at(-1) === LINE_BREAK);
      (isWhole ? this.#column : this.#tail).add(eventsIn(block, options));
      if (isWhole) this.#byteLength = end;
    }
    this.#print = printOf(handle, this.#byteLength);
  }

  /** Whether the file is the one that was read, and something of it was read: inodes are used again. */
  isContinuedBy(handle: FileHandle): boolean {
    return hasPrint(handle, this.#byteLength, this.#print);
  }
}

/** What one event or a few hundred take. */
const ON_THE_SPOT_BYTES = 64 * 1024;

/** What is new is mostly little, and read before a thread that is asked for it has begun. */
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
  /** Costs before this instant are not needed. */
  readonly sinceMs: number;
  /** Whether the file is known to be the one that was read. */
  readonly isContinued: boolean;
  /** Where to begin, for that, in a file that was not read yet. */
  readonly start: () => number;
}

const LINE_BREAK = 0x0a;
/** Archives of which every cost is kept, for those at the edges of what is asked for. */
const COLUMNS_MAX = 4;

/** For how long what was found in the directory is believed while the active file is the same. */
const BELIEVED_MS = 1_000;

/** An archive, and what its line in the manifest says of its costs. */
interface KnownArchive {
  readonly file: SnapshotFile;
  readonly summary: CostSummary | undefined;
}

/** A file that is not compressed. */
interface LiveFile extends SnapshotFile {
  readonly handle: FileHandle;
  /** Tells it from others, whatever name it has by now. */
  readonly key: string;
}

/** The files of a log; disposing of it closes those that are open. */
interface LogState extends Disposable {
  readonly archives: readonly KnownArchive[];
  /** The active file, and the segments that are still to be archived. */
  readonly live: readonly LiveFile[];
  /** Whether the live file is known to be the one that was read before. */
  readonly isContinued: boolean;
}

/** A state in which all but the active file was archived, and when it was found. */
interface SettledState {
  readonly foundMs: number;
  readonly archives: readonly KnownArchive[];
  readonly active: FileStatus;
}

function keyOf({ device, inode }: FileStatus, path: string): string {
  return `${device} ${inode ?? path}`;
}

function archiveKeyOf({ byteLength, path }: SnapshotFile): string {
  return `${byteLength} ${path}`;
}

/** What a {@linkcode SpendIndex} is made of. */
export interface SpendIndexOptions extends LineSource {
  readonly manifest: ManifestReader;
  readonly clock: Clock;
}

/** The costs of one log. */
export class SpendIndex {
  readonly #source: SpendIndexOptions;
  readonly #files: LogFiles;
  readonly #damage: DamageReport;
  readonly #lineTest = new LineTest({ strings: [["cost"]] });
  #live = new Map<string, LiveCosts>();
  readonly #summaries = new Map<string, CostSummary>();
  /** The least recently used one first. */
  readonly #columns = new Map<string, CostColumn>();
  #settled: SettledState | undefined;
  #running: Promise<unknown> = Promise.resolve();

  /** Reads nothing yet. */
  constructor(source: SpendIndexOptions) {
    this.#source = source;
    this.#files = new LogFiles(source.path);
    this.#damage = new DamageReport(source.logger);
  }

  /** Cost in USD of the events in the window. Calls follow one another, as they share what they read. */
  spendIn(window: SpendWindow): Promise<number> {
    const spend = this.#running.then(() => this.#spendIn(window));
    // Whoever asked is told; the next question has to be answered all the same.
    this.#running = spend.catch(() => {});
    return spend;
  }

  async #spendIn(window: SpendWindow): Promise<number> {
    const { fileSystem } = this.#source;
    await this.#source.beforeRead?.();
    using state = this.#stateAsFound() ?? this.#look();
    const sum = new PreciseSum();
    for (const archive of state.archives) {
      if (this.#addKnown(archive, sum, window)) continue;
      (await this.#columnOf(archive.file)).addTo(sum, window);
    }
    const live = new Map<string, LiveCosts>();
    for (const file of state.live) {
      const costs = this.#live.get(file.key) ?? new LiveCosts();
      live.set(file.key, costs);
      const start = () => startIn(file, window.sinceMs, { fileSystem, logFiles: this.#files });
      const { isContinued } = state;
      await this.#readOn(costs, file, { sinceMs: window.sinceMs, start, isContinued });
      costs.addTo(sum, window);
    }
    this.#live = live;
    return sum.value;
  }

  /**
   * The state that was found a moment ago, if it is that still: no segment is younger than an active
   * file that is at its path, so what archives there are only outsiders change.
   */
  #stateAsFound(): LogState | undefined {
    const settled = this.#settled;
    const { clock, fileSystem } = this.#source;
    if (settled === undefined || clock.monotonicMs() - settled.foundMs > BELIEVED_MS) return;
    using stack = new DisposableStack();
    const path = this.#files.active;
    const handle = openInto(stack, fileSystem, path);
    const status = handle?.status();
    // Without inodes, nobody knows whether it is the same file.
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

  /** Finds the state by looking at the directory. */
  #look(): LogState {
    const { clock, fileSystem, logger, manifest } = this.#source;
    const foundMs = clock.monotonicMs();
    using stack = new DisposableStack();
    const snapshot = stack.use(takeSnapshot(fileSystem, this.#files));
    const lines = linesOf(manifest, logger);
    const archives: KnownArchive[] = [];
    const live: LiveFile[] = [];
    for (const file of snapshot.files) {
      const { handle } = file;
      if (handle !== null) {
        live.push({ ...file, handle, key: keyOf(handle.status(), file.path) });
        continue;
      }
      const line = lineOf(file, lines);
      archives.push({ file, summary: line === undefined ? undefined : summaryOf(line) });
    }
    const [active, ...segments] = live.toReversed();
    const isSettled = active?.path === this.#files.active && segments.length === 0;
    this.#settled = isSettled ? { foundMs, archives, active: active.handle.status() } : undefined;
    const kept = stack.move();
    return { archives, live, isContinued: false, [Symbol.dispose]: () => kept.dispose() };
  }

  async #readOn(
    costs: LiveCosts,
    file: OpenFile & { path: string },
    from: Pick<LiveOptions, "sinceMs" | "start" | "isContinued">,
  ): Promise<void> {
    const { maxLineBytes } = this.#source;
    const onDamage = (line: LinePlace, reason: string) => this.#damage.add(file.path, line, reason);
    try {
      await costs.readOn(file, { ...from, maxLineBytes, onDamage });
    } catch (error) {
      if (!(error instanceof UnreadableRestError)) throw error;
      this.#damage.add(file.path, { byteOffset: error.byteOffset, byteLength: 0 }, error.message);
    }
  }

  /** Adds what is known of an archive without a look into it; tells whether that is enough. */
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
    const { fileSystem, maxLineBytes } = this.#source;
    const column = new CostColumn();
    const options: ReadOptions = {
      fileSystem,
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
