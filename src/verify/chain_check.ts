/**
 * Follows the chain through the lines of a log, and reports each place where it breaks.
 *
 * After a break it continues from the number and the hash in the line. So each break is reported once, and later breaks
 * are found too.
 *
 * @module
 */
import { bareLine, CHAIN_START, type ChainLink, linkOf, NextHash } from "../line/chain.ts";
import { LineSplitter, type RawLine } from "../line/line_splitter.ts";
import { parseLine } from "../line/parse_line.ts";
import { isTorn } from "./torn_line.ts";
import type { Faults } from "./report.ts";

const LINE_BREAK = Uint8Array.of(0x0a);

/** A line that is not in the chain, and that the hash of no later line covers. */
interface LooseLine {
  readonly line: number;
  readonly byteOffset: number;
  /** The reason of the fault; undefined for a torn line, which is not a fault. */
  readonly reason: string | undefined;
}

/** The result of the check of one file. */
export interface CheckedFile {
  readonly lines: number;
  readonly bytes: number;
  /** Number of lines that are in the chain. */
  readonly chained: number;
  /** Whether a torn line follows its last chained line. */
  readonly isTorn: boolean;
}

/** The check of the chain of a log, file by file. */
export class ChainCheck {
  readonly #faults: Faults;
  readonly #maxLineBytes: number;
  readonly #onLink: (link: ChainLink, path: string, line: number) => void;
  /** The last line of the chain; undefined after a missing part whose last line is unknown. */
  #last: ChainLink | undefined = CHAIN_START;

  /** Starts before the first line. `onLink` is called with each line that is in the chain. */
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

  /** The last line of the chain; undefined after a missing part whose last line is unknown. */
  get last(): ChainLink | undefined {
    return this.#last;
  }

  /** Continues after a part that cannot be read. `link` is the last line of that part; undefined if it is unknown. */
  resume(link: ChainLink | undefined): void {
    this.#last = link;
  }

  /** Starts the check of the next file. The caller adds the bytes of the file and ends the check. */
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

/** The check of one file. */
export class FileCheck {
  readonly #path: string;
  readonly #options: FileCheckOptions;
  readonly #splitter: LineSplitter;
  #next: NextHash | undefined;
  /** The first line after the last chained line. */
  #firstBetween: { line: number; byteOffset: number } | undefined;
  /** Whether a line after the last chained line is too long, so that its bytes are unknown. */
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

  /** Checks the next bytes, which the caller must not change afterwards. */
  add(chunk: Uint8Array): void {
    this.#bytes += chunk.byteLength;
    for (const line of this.#splitter.split(chunk)) this.#addLine(line);
  }

  /**
   * Ends the check and returns its result. With `isVouchedFor` the manifest has a digest of the whole file. Without it,
   * nothing protects the lines after the last chained line, so they are reported.
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
      this.#fault(`it is longer than ${limit}, so it was not checked`, line, byteOffset);
      return;
    }
    const link = linkOf(bytes);
    if (link !== null) return this.#addLink(link, bytes, { line, byteOffset });
    this.#firstBetween ??= { line, byteOffset };
    this.#next?.addBetween(bytes);
    if (hasLineBreak) this.#next?.addBetween(LINE_BREAK);
    // The hash of the first chained line covers the lines before the chain.
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
    // After a power loss, NULs may stand in place of lost lines before this one.
    const start = bytes.findIndex((byte) => byte !== 0);
    if (start > 0) this.#next?.addBetween(bytes.subarray(0, start));
    const bare = bareLine(bytes.subarray(start));
    const last = this.#options.last();
    if (last !== undefined && link.seq <= last.seq) {
      const isStart = link.seq === 0 && new NextHash(CHAIN_START).of(bare) === link.hash;
      const reason = isStart ? "the chain restarts" : "it is a duplicate, or in the wrong place";
      this.#fault(`${reason}: its seq is ${link.seq} after ${last.seq}`, line, byteOffset);
      // The later lines do not continue a line that does not belong here.
      if (!isStart) return;
    } else if (last !== undefined && link.seq > last.seq + 1) {
      const missing = link.seq - last.seq - 1;
      const before = missing === 1 ? "a line is missing" : `${missing} lines are missing`;
      this.#fault(
        last.seq < 0
          ? `${before} before it: its seq is ${link.seq}, and it is the first`
          : `${before} before it: its seq is ${link.seq} after ${last.seq}`,
        line,
        byteOffset,
      );
    } else if (last !== undefined && !this.#isBlind && this.#next?.of(bare) !== link.hash) {
      const between = this.#firstBetween;
      if (between !== undefined && new NextHash(last).of(bare) === link.hash) {
        this.#fault(
          "it was inserted: the hash of the next chained line does not cover it",
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
      ? "it is empty and not in the chain"
      : "event" in parsed
      ? "it is not in the chain, unlike the lines before it"
      : isTorn(bytes)
      ? undefined
      : `it is neither an event (${parsed.reason}) nor a torn line of a crashed writer`;
    // Only the first line of each kind is reported.
    if (this.#loose.some((loose) => loose.reason === reason)) return;
    this.#loose.push({ ...place, reason });
  }

  #fault(reason: string, line: number, byteOffset: number): void {
    this.#options.faults.add({ path: this.#path, line, byteOffset, reason });
  }
}
