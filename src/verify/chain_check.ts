/**
 * Follows the hash chain through the lines of a log, and reports each line at which the chain breaks. A chained line
 * has a number and a hash, and the hash also covers the previous chained line.
 *
 * After a break, the check continues from the number and the hash in the line at the break. So each break is reported
 * once, and later breaks are found too.
 *
 * @module
 */
import { bareLine, CHAIN_START, type ChainLink, linkOf, NextHash } from "../line/chain.ts";
import { LineSplitter, type RawLine } from "../line/line_splitter.ts";
import { parseLine } from "../line/parse_line.ts";
import { isTorn } from "./torn_line.ts";
import type { Faults } from "./report.ts";

const LINE_BREAK = Uint8Array.of(0x0a);

/**
 * A line without a number and a hash that is also not covered by the hash of a later line, because no chained line
 * follows it in its file.
 */
interface LooseLine {
  readonly line: number;
  readonly byteOffset: number;
  /**
   * The reason of the fault; undefined for a torn line, which a crash has left incomplete, because it is not a fault.
   */
  readonly reason: string | undefined;
}

/** The result of the check of one file. */
export interface CheckedFile {
  readonly lines: number;
  readonly bytes: number;
  /** Number of lines of the file that have a number and a hash. */
  readonly chained: number;
  /** Whether a torn line, which a crash has left incomplete, follows the last chained line of the file. */
  readonly isTorn: boolean;
}

/** The check of the hash chain of a log, file by file. */
export class ChainCheck {
  readonly #faults: Faults;
  readonly #maxLineBytes: number;
  readonly #onLink: (link: ChainLink, path: string, line: number) => void;
  /** The last chained line so far; undefined after a missing archive whose last line is unknown. */
  #last: ChainLink | undefined = CHAIN_START;

  /**
   * Starts the check before the first line of the log. `onLink` is called with the number and the hash of each line
   * that continues the chain.
   */
  constructor(
    { faults, maxLineBytes, onLink }: {
      faults: Faults;
      maxLineBytes: number;
      onLink: (link: ChainLink, path: string, line: number) => void;
    },
  ) {
    this.#faults = faults;
    this.#maxLineBytes = maxLineBytes;
    this.#onLink = onLink;
  }

  /** The last chained line so far; undefined after a missing archive whose last line is unknown. */
  get last(): ChainLink | undefined {
    return this.#last;
  }

  /**
   * Continues after a missing or unreadable archive. `link` has the number and the hash of the last chained line up to
   * the end of the archive; undefined if they are unknown.
   */
  resume(link: ChainLink | undefined): void {
    this.#last = link;
  }

  /** Starts the check of the next file. The caller must add all bytes of the file and then end the check. */
  file(path: string): FileCheck {
    return new FileCheck(path, {
      faults: this.#faults,
      maxLineBytes: this.#maxLineBytes,
      last: () => this.#last,
      onLink: (link, line) => {
        this.#last = link;
        this.#onLink(link, path, line);
      },
    });
  }
}

interface FileCheckOptions {
  readonly faults: Faults;
  readonly maxLineBytes: number;
  readonly last: () => ChainLink | undefined;
  readonly onLink: (link: ChainLink, line: number) => void;
}

/** The check of the hash chain in one file of a log. */
export class FileCheck {
  readonly #path: string;
  readonly #options: FileCheckOptions;
  readonly #splitter: LineSplitter;
  #next: NextHash | undefined;
  /** The first line without a hash after the last chained line; undefined if there is none. */
  #firstBetween: { line: number; byteOffset: number } | undefined;
  /**
   * Whether a line after the last chained line is too long to be read. If so, the hash of the next chained line cannot
   * be checked, because that hash also covers the long line.
   */
  #isBlind = false;
  #loose: LooseLine[] = [];
  #lines = 0;
  #bytes = 0;
  #chained = 0;

  /** Starts the check before the first byte of the file. */
  constructor(path: string, options: FileCheckOptions) {
    this.#path = path;
    this.#options = options;
    this.#splitter = new LineSplitter(options.maxLineBytes);
    this.#follow();
  }

  /** Checks the next bytes of the file. The caller must not change these bytes afterwards. */
  add(chunk: Uint8Array): void {
    this.#bytes += chunk.byteLength;
    for (const line of this.#splitter.split(chunk)) this.#addLine(line);
  }

  /**
   * Ends the check of the file and returns its result. `isVouchedFor` is true if the manifest, which lists the
   * archives, has a digest of the whole file. If there is no such digest, nothing protects the lines after the last
   * chained line, so the check reports these lines.
   */
  end({ isVouchedFor }: { isVouchedFor: boolean }): CheckedFile {
    for (const line of this.#splitter.end()) this.#addLine(line);
    const loose = isVouchedFor ? [] : this.#loose;
    for (const { line, byteOffset, reason } of loose) {
      if (reason !== undefined) this.#fault(reason, line, byteOffset);
    }
    return {
      lines: this.#lines,
      bytes: this.#bytes,
      chained: this.#chained,
      isTorn: loose.some(({ reason }) => reason === undefined),
    };
  }

  #follow(): void {
    const last = this.#options.last();
    this.#next = last === undefined ? undefined : new NextHash(last);
    this.#firstBetween = undefined;
    this.#isBlind = false;
    this.#loose = [];
  }

  #addLine({ byteOffset, bytes, hasLineBreak }: RawLine): void {
    const line = ++this.#lines;
    if (bytes === null) {
      this.#isBlind = true;
      if (!this.#hasBegun) return;
      const limit = `maxLineBytes (${this.#options.maxLineBytes})`;
      this.#fault(`this line is longer than ${limit}, so it was not checked`, line, byteOffset);
      return;
    }
    const link = linkOf(bytes);
    if (link !== null) return this.#addLink(link, bytes, { line, byteOffset });
    this.#firstBetween ??= { line, byteOffset };
    this.#next?.addBetween(bytes);
    if (hasLineBreak) this.#next?.addBetween(LINE_BREAK);
    // A line without a hash before the first chained line of the log is not a fault: the log was not chained then.
    if (this.#hasBegun) this.#addLoose(bytes, { line, byteOffset });
  }

  get #hasBegun(): boolean {
    const last = this.#options.last();
    return last === undefined || last.seq >= 0;
  }

  #addLink(
    link: ChainLink,
    bytes: Uint8Array,
    { line, byteOffset }: { line: number; byteOffset: number },
  ): void {
    this.#chained++;
    // After a power loss, NULs may stand before this line, in place of lost lines. The hash of this line covers them
    // like other bytes between two chained lines.
    const start = bytes.findIndex((byte) => byte !== 0);
    if (start > 0) this.#next?.addBetween(bytes.subarray(0, start));
    const bare = bareLine(bytes.subarray(start));
    const last = this.#options.last();
    if (last !== undefined && link.seq <= last.seq) {
      const isStart = link.seq === 0 && new NextHash(CHAIN_START).of(bare) === link.hash;
      const reason = isStart
        ? "the chain restarts at this line"
        : "this line is a duplicate or in the wrong position";
      this.#fault(`${reason}: its seq is ${link.seq} after ${last.seq}`, line, byteOffset);
      // A duplicate or misplaced line does not continue the chain. So the next chained line must continue the chain
      // from the last line before it.
      if (!isStart) return;
    } else if (last !== undefined && link.seq > last.seq + 1) {
      const missing = link.seq - last.seq - 1;
      const before = missing === 1 ? "a line is missing" : `${missing} lines are missing`;
      this.#fault(
        last.seq < 0
          ? `${before} before this line, the first: its seq is ${link.seq}`
          : `${before} before this line: its seq is ${link.seq} after ${last.seq}`,
        line,
        byteOffset,
      );
    } else if (last !== undefined && !this.#isBlind && this.#next?.of(bare) !== link.hash) {
      const between = this.#firstBetween;
      if (between !== undefined && new NextHash(last).of(bare) === link.hash) {
        this.#fault(
          "this line was inserted: the hash of the next chained line does not cover it",
          between.line,
          between.byteOffset,
        );
      } else {
        const modified = last.seq < 0 ? "this line" : "this line or an earlier one";
        this.#fault(`hash mismatch: ${modified} was modified`, line, byteOffset);
      }
    }
    this.#options.onLink(link, line);
    this.#follow();
  }

  #addLoose(bytes: Uint8Array, place: { line: number; byteOffset: number }): void {
    const parsed = parseLine(bytes);
    const reason = parsed === null
      ? "this line is empty and not in the chain"
      : "event" in parsed
      ? "this line is not in the chain, unlike the lines before it"
      : isTorn(bytes)
      ? undefined
      : `this line is neither an event (${parsed.reason}) nor a torn line of a crashed writer`;
    // If several lines at the end of the file have the same fault, only the first of them is reported.
    if (this.#loose.some((loose) => loose.reason === reason)) return;
    this.#loose.push({ ...place, reason });
  }

  #fault(reason: string, line: number, byteOffset: number): void {
    this.#options.faults.add({ path: this.#path, line, byteOffset, reason });
  }
}
