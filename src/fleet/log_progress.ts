/**
 * Tracks how far a reader has read the logs of a fleet (many machines that ship their logs into one NATS stream). Also
 * finds the gaps: ranges of bytes that are missing in the stream. Pure.
 *
 * @module
 */
import { joined } from "../platform/chunks.ts";
import { MAX_LINE_BYTES } from "../options/log_options.ts";
import type { BlockFacts } from "./block.ts";

const LINE_BREAK = 0x0a;

/** A range of bytes of a log that is missing in the stream or damaged. */
export interface FleetGap {
  /** Name of the log. */
  readonly log: string;
  /** Position in the log of the first missing byte. */
  readonly from: number;
  /** Position in the log after the last missing byte. */
  readonly to: number;
}

/** Whole lines of a log, and the position of the first line in the log. */
export interface PositionedLines {
  readonly from: number;
  readonly bytes: Uint8Array;
}

/** Tracks the position up to which a reader has read each log of a fleet (a group of logs in one NATS stream). */
export class LogsProgress {
  readonly #logs = new Map<string, LogProgress>();
  readonly #onGap: (gap: FleetGap) => void;
  readonly #isFromStart: boolean;

  /**
   * Creates the tracker of a reader that has read nothing yet. `onGap` is called for each gap, which is a range of
   * bytes that is missing in the stream. If `isFromStart` is `false`, reading does not start with the first block of
   * the stream. The bytes before the first block of a log are then not a gap.
   */
  constructor(onGap: (gap: FleetGap) => void, { isFromStart }: { isFromStart: boolean }) {
    this.#onGap = onGap;
    this.#isFromStart = isFromStart;
  }

  /**
   * Returns the tracker of one log, which stores the position up to which the log has been read. If the reader has not
   * read any block (a range of bytes) of this log before, `first` must be the first block of the log that it reads.
   */
  of(log: string, first: BlockFacts): LogProgress {
    let progress = this.#logs.get(log);
    if (progress === undefined) {
      const position = this.#isFromStart ? 0 : first.from;
      const onGap = (from: number, to: number) => this.#onGap({ log, from, to });
      this.#logs.set(log, progress = new LogProgress(position, onGap));
    }
    return progress;
  }
}

/** Tracks the position up to which a reader has read one log. */
export class LogProgress {
  readonly #onGap: (from: number, to: number) => void;
  #position: number;
  /** The bytes that were read so far of a line that continues in the next block. */
  #begun: Uint8Array[] = [];

  /**
   * Creates the tracker of a reader that begins at a position of the log. `onGap` is called for each gap, which is a
   * range of bytes that is missing in the stream.
   */
  constructor(position: number, onGap: (from: number, to: number) => void) {
    this.#position = position;
    this.#onGap = onGap;
  }

  /** Checks whether a block is a duplicate: the reader has already read the log up to the end of the block. */
  hasSeen({ to }: BlockFacts): boolean {
    return to <= this.#position;
  }

  /**
   * Checks whether all lines of a block are whole and new. Only then can a reader add the figures in the headers of the
   * block, and need not read its lines.
   */
  isAddedWholly({ from, figures }: BlockFacts): boolean {
    return from >= this.#position && this.#begun.length === 0 && figures !== null;
  }

  /** Advances past a block whose bytes are not needed. If bytes before the block are missing, reports a gap. */
  pass({ from, to }: BlockFacts): void {
    if (from > this.#position) this.#onGap(this.#position, from);
    this.#position = to;
  }

  /**
   * Adds a block, and returns its lines that are whole and new. Returns null if the block completes no line. If the
   * bytes of the block do not match its headers, `bytes` must be null, and the block counts as a gap.
   */
  take(facts: BlockFacts, bytes: Uint8Array | null): PositionedLines | null {
    const { from, to, isContinued, isCut } = facts;
    const position = this.#position;
    if (this.hasSeen(facts)) return null;
    this.#position = to;
    if (from > position || bytes === null) {
      this.#onGap(position, bytes === null ? to : from);
      this.#begun = [];
    }
    if (bytes === null) return null;
    let start = Math.max(0, position - from);
    if (isContinued && start === 0 && this.#begun.length === 0) {
      // The start of the first line is missing or was not requested, so the remainder of that line is skipped.
      start = bytes.indexOf(LINE_BREAK) + 1;
      if (start === 0) return null;
    }
    this.#begun.push(bytes.subarray(start));
    const byteLength = this.#begun.reduce((sum, { byteLength }) => sum + byteLength, 0);
    if (isCut) {
      // If a line exceeds the maximum length, it will be reported as damage. So its earlier parts are dropped to save
      // memory.
      if (byteLength > MAX_LINE_BYTES) this.#begun = [bytes];
      return null;
    }
    const parts = this.#begun;
    this.#begun = [];
    return { from: to - byteLength, bytes: joined(parts, byteLength) };
  }
}
