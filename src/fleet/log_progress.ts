/**
 * How far the logs of a fleet were seen, and what of them is missing. Pure.
 *
 * @module
 */
import { joined } from "../platform/chunks.ts";
import { MAX_LINE_BYTES } from "../options/log_options.ts";
import type { BlockFacts } from "./block.ts";

const LINE_BREAK = 0x0a;

/** Bytes of a log that are not in the stream, or not as they were, by their positions. */
export interface FleetGap {
  /** Name of the log. */
  readonly log: string;
  /** The position of the first byte that is missing. */
  readonly from: number;
  /** The position of the first one that is there again. */
  readonly to: number;
}

/** Whole lines of a log, and the position of the first. */
export interface PositionedLines {
  readonly from: number;
  readonly bytes: Uint8Array;
}

/** The logs of a fleet, each with how far it was seen. */
export class LogsProgress {
  readonly #logs = new Map<string, LogProgress>();
  readonly #onGap: (gap: FleetGap) => void;
  readonly #isFromStart: boolean;

  /** Told of what is missing; who begins in the middle misses nothing of what comes before. */
  constructor(onGap: (gap: FleetGap) => void, { isFromStart }: { isFromStart: boolean }) {
    this.#onGap = onGap;
    this.#isFromStart = isFromStart;
  }

  /** That of a log, of which this is the first block if it is not known yet. */
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

/** How far a log was seen. */
export class LogProgress {
  readonly #onGap: (from: number, to: number) => void;
  #position: number;
  /** The beginning of a line that goes on in the next block. */
  #begun: Uint8Array[] = [];

  /** Seen up to a position; told of what is missing. */
  constructor(position: number, onGap: (from: number, to: number) => void) {
    this.#position = position;
    this.#onGap = onGap;
  }

  /** Whether a block is a double, which adds nothing. */
  hasSeen({ to }: BlockFacts): boolean {
    return to <= this.#position;
  }

  /** Whether all lines of a block that follows are new and whole, so that its figures say what it adds. */
  isAddedWholly({ from, figures }: BlockFacts): boolean {
    return from >= this.#position && this.#begun.length === 0 && figures !== null;
  }

  /** Takes a block by what its headers say, which is all that it adds. */
  pass({ from, to }: BlockFacts): void {
    if (from > this.#position) this.#onGap(this.#position, from);
    this.#position = to;
  }

  /**
   * Takes a block, with null for bytes that are not what its headers say; gives the whole lines that it
   * adds and the position of the first of them, null for none.
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
      // The rest of a line whose beginning is missing, or before all that is looked at, is no line.
      start = bytes.indexOf(LINE_BREAK) + 1;
      if (start === 0) return null;
    }
    this.#begun.push(bytes.subarray(start));
    const byteLength = this.#begun.reduce((sum, { byteLength }) => sum + byteLength, 0);
    if (isCut) {
      // Of what is longer than any line may be, not all has to be kept: it is damage.
      if (byteLength > MAX_LINE_BYTES) this.#begun = [bytes];
      return null;
    }
    const parts = this.#begun;
    this.#begun = [];
    return { from: to - byteLength, bytes: joined(parts, byteLength) };
  }
}
