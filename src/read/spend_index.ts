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
import { readChunks } from "../chunks.ts";
import type { AuditEvent } from "../event.ts";
import type { FileHandle } from "../file_system.ts";
import { PreciseSum } from "../precise_sum.ts";
import type { ManifestLine } from "../segments/manifest_line.ts";
import type { ManifestReader } from "../segments/manifest_reader.ts";
import { LogFiles } from "../segments/segment_name.ts";
import { costOf, isInWindow, type SpendWindow } from "../spend.ts";
import { blocksOf, UnreadableRestError } from "./blocks.ts";
import { DamageReport } from "./damage.ts";
import { LineTest } from "./line_test.ts";
import { lineOf, linesOf } from "./manifest_lines.ts";
import { eventsIn, type LinePlace, type ParseOptions } from "./parse_block.ts";
import type { LineSource } from "./query.ts";
import { eventsOf, type ReadOptions } from "./read_file.ts";
import { type SnapshotFile, startIn, takeSnapshot } from "./snapshot.ts";

/** Costs of events and their times, side by side. */
class CostColumn {
  readonly #epochMs: number[] = [];
  readonly #usd: number[] = [];

  add(events: readonly AuditEvent[]): void {
    for (const event of events) {
      const cost = costOf(event);
      if (cost === null) continue;
      this.#epochMs.push(cost.epochMs);
      this.#usd.push(cost.usd);
    }
  }

  clear(): void {
    this.#epochMs.length = 0;
    this.#usd.length = 0;
  }

  addTo(sum: PreciseSum, window: SpendWindow): void {
    for (let index = 0; index < this.#epochMs.length; index++) {
      if (isInWindow(window, this.#epochMs[index]!)) sum.add(this.#usd[index]!);
    }
  }

  summary(): CostSummary {
    const sum = new PreciseSum();
    this.addTo(sum, { sinceMs: -Infinity, untilMs: Infinity });
    return {
      minMs: this.#epochMs.reduce((least, ms) => Math.min(least, ms), Infinity),
      maxMs: this.#epochMs.reduce((most, ms) => Math.max(most, ms), -Infinity),
      usd: sum.value,
    };
  }
}

/** When the costs of a file were, and their sum; null where that has to be found out. */
interface CostSummary {
  readonly minMs: number;
  readonly maxMs: number;
  readonly usd: number | null;
}

/** The costs of a file that is not compressed, as far as it was read. */
class LiveCosts {
  /** Costs from this instant on; a question that reaches further back has the file read again. */
  #sinceMs = Infinity;
  #lineTest = new LineTest({});
  #column = new CostColumn();
  /** What follows the last line break, which may not be all of its line yet. */
  readonly #tail = new CostColumn();
  #byteLength = 0;
  /** The last bytes that were read. */
  #lastBytes = new Uint8Array();

  addTo(sum: PreciseSum, window: SpendWindow): void {
    this.#column.addTo(sum, window);
    this.#tail.addTo(sum, window);
  }

  /** Reads on, or from the beginning when this is not the file that was read, whatever its inode says. */
  async readOn(
    { handle, byteLength }: OpenFile,
    { sinceMs, maxLineBytes, onDamage, start }: LiveOptions,
  ): Promise<void> {
    if (sinceMs < this.#sinceMs || !this.#isContinuedBy(handle)) {
      this.#sinceMs = sinceMs;
      this.#lineTest = new LineTest({ strings: [["cost"]], sinceMs });
      this.#column = new CostColumn();
      this.#byteLength = start();
    }
    const options = { maxLineBytes, lineTest: this.#lineTest, onDamage };
    this.#tail.clear();
    const from = this.#byteLength;
    for await (
      const block of blocksOf(readChunks(handle, byteLength, { from }), maxLineBytes, from)
    ) {
      const end = block.byteOffset + block.byteLength;
      const isWhole = !block.isCut &&
        (end < byteLength || block.bytes?.at(-1) === LINE_BREAK);
      (isWhole ? this.#column : this.#tail).add(eventsIn(block, options));
      if (isWhole) this.#byteLength = end;
    }
    this.#lastBytes = readBefore(handle, this.#byteLength);
  }

  #isContinuedBy(handle: FileHandle): boolean {
    const bytes = readBefore(handle, this.#byteLength);
    return bytes.byteLength === this.#lastBytes.byteLength &&
      bytes.every((byte, index) => byte === this.#lastBytes[index]);
  }
}

interface OpenFile {
  readonly handle: FileHandle;
  readonly byteLength: number;
}

interface LiveOptions extends Omit<ParseOptions, "lineTest"> {
  /** Costs before this instant are not needed. */
  readonly sinceMs: number;
  /** Where to begin, for that, in a file that was not read yet. */
  readonly start: () => number;
}

const LINE_BREAK = 0x0a;
/** Enough to hold a time and what else tells a line from others. */
const LAST_BYTES = 256;

function readBefore(handle: FileHandle, end: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(Math.min(LAST_BYTES, end));
  return bytes.subarray(0, handle.readSync(bytes, end - bytes.byteLength));
}

/** Archives of which every cost is kept, for those at the edges of what is asked for. */
const COLUMNS_MAX = 4;

/** The costs of one log. */
export class SpendIndex {
  readonly #source: LineSource & { readonly manifest: ManifestReader };
  readonly #damage: DamageReport;
  readonly #lineTest = new LineTest({ strings: [["cost"]] });
  #live = new Map<string, LiveCosts>();
  readonly #summaries = new Map<string, CostSummary>();
  /** The least recently used one first. */
  readonly #columns = new Map<string, CostColumn>();
  #running: Promise<unknown> = Promise.resolve();

  /** Reads nothing yet. */
  constructor(source: LineSource & { readonly manifest: ManifestReader }) {
    this.#source = source;
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
    const { fileSystem, logger, manifest, path } = this.#source;
    await this.#source.beforeRead?.();
    const logFiles = new LogFiles(path);
    using snapshot = takeSnapshot(fileSystem, logFiles);
    const lines = linesOf(manifest, logger);
    const live = new Map<string, LiveCosts>();
    const sum = new PreciseSum();
    for (const file of snapshot.files) {
      if (file.handle === null) {
        await this.#addArchive(file, { line: lineOf(file, lines), sum, window });
      } else {
        const { device, inode } = file.handle.status();
        const key = `${device} ${inode ?? file.path}`;
        const costs = this.#live.get(key) ?? new LiveCosts();
        live.set(key, costs);
        const start = () => startIn(file, window.sinceMs, { fileSystem, logFiles });
        const open = { ...file, handle: file.handle };
        await this.#readOn(costs, open, { sinceMs: window.sinceMs, start });
        costs.addTo(sum, window);
      }
    }
    this.#live = live;
    return sum.value;
  }

  async #readOn(
    costs: LiveCosts,
    file: OpenFile & { path: string },
    from: Pick<LiveOptions, "sinceMs" | "start">,
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

  async #addArchive(
    file: SnapshotFile,
    { line, sum, window }: { line: ManifestLine | undefined; sum: PreciseSum; window: SpendWindow },
  ): Promise<void> {
    const key = `${file.byteLength} ${file.path}`;
    const summary = line === undefined ? this.#summaries.get(key) : summaryOf(line);
    if (summary !== undefined) {
      if (!(summary.maxMs >= window.sinceMs && summary.minMs <= window.untilMs)) return;
      const isInside = summary.minMs >= window.sinceMs && summary.maxMs <= window.untilMs;
      if (isInside && summary.usd !== null) return sum.add(summary.usd);
    }
    (await this.#columnOf(file, key)).addTo(sum, window);
  }

  async #columnOf(file: SnapshotFile, key: string): Promise<CostColumn> {
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

function summaryOf({ min_ts, max_ts, events }: ManifestLine): CostSummary {
  if (min_ts === null || max_ts === null) return { minMs: Infinity, maxMs: -Infinity, usd: 0 };
  const sum = new PreciseSum();
  for (const { cost } of Object.values(events ?? {})) sum.add(cost);
  return {
    minMs: Date.parse(min_ts),
    maxMs: Date.parse(max_ts),
    usd: events === null ? null : sum.value,
  };
}
