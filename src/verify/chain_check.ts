/**
 * Follows the chain through the lines of a log, and names where it breaks.
 *
 * After a break it goes on from what the line itself says, so that each break is told once and those
 * behind it too.
 *
 * @module
 */
import { bareLine, CHAIN_START, type ChainLink, linkOf, NextHash } from "../line/chain.ts";
import { LineSplitter, type RawLine } from "../line/line_splitter.ts";
import { parseLine } from "../line/parse_line.ts";
import { isTorn } from "./torn_line.ts";
import type { Faults } from "./report.ts";

const LINE_BREAK = Uint8Array.of(0x0a);

/** A line that is not in the chain, and no line behind it vouches for. */
interface LooseLine {
  readonly line: number;
  readonly byteOffset: number;
  /** What is wrong with that; undefined for what a crash tears. */
  readonly reason: string | undefined;
}

/** What became of a file. */
export interface CheckedFile {
  readonly lines: number;
  readonly bytes: number;
  /** Lines that are in the chain. */
  readonly chained: number;
  /** Whether it ends in what a crash has torn. */
  readonly isTorn: boolean;
}

/** The place of the last line of a log in its chain, as it is checked line by line. */
export class ChainCheck {
  readonly #faults: Faults;
  readonly #maxLineBytes: number;
  readonly #onLink: (link: ChainLink, path: string, line: number) => void;
  /** The line to follow; undefined where a part is missing and nobody knows. */
  #last: ChainLink | undefined = CHAIN_START;

  /** Begins before the first line; `onLink` is told of each line that is in the chain. */
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

  /** The last line that is in the chain; undefined where nobody knows. */
  get last(): ChainLink | undefined {
    return this.#last;
  }

  /** Goes on behind a part that cannot be read, of which only its last place is known. */
  resume(link: ChainLink | undefined): void {
    this.#last = link;
  }

  /** Begins a file, which takes its bytes and is ended. */
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
  /** The first line since the last one that is in the chain. */
  #firstBetween: { line: number; byteOffset: number } | undefined;
  /** Whether something stands there that is not known, as it is too long. */
  #isBlind = false;
  #loose: LooseLine[] = [];
  #lines = 0;
  #bytes = 0;
  #chained = 0;

  /** Begins the file. */
  constructor(path: string, options: FileCheckOptions) {
    this.#path = path;
    this.#options = options;
    this.#splitter = new LineSplitter(options.maxLineBytes);
    this.#follow();
  }

  /** Takes in the next bytes, which must not change afterwards. */
  add(chunk: Uint8Array): void {
    this.#bytes += chunk.byteLength;
    for (const line of this.#splitter.split(chunk)) this.#addLine(line);
  }

  /**
   * Ends the file. With `isVouchedFor` the manifest has a digest of all of it; without, what stands
   * behind its last line that is in the chain is nobody's.
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
      this.#fault(`it is longer than ${limit}, and was not looked at`, line, byteOffset);
      return;
    }
    const link = linkOf(bytes);
    if (link !== null) return this.#addLink(link, bytes, { line, byteOffset });
    this.#firstBetween ??= { line, byteOffset };
    this.#next?.addBetween(bytes);
    if (hasLineBreak) this.#next?.addBetween(LINE_BREAK);
    // What came before the chain began, the first line in it vouches for.
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
    // NULs are where a power cut took lines that stood before this one.
    const start = bytes.findIndex((byte) => byte !== 0);
    if (start > 0) this.#next?.addBetween(bytes.subarray(0, start));
    const bare = bareLine(bytes.subarray(start));
    const last = this.#options.last();
    if (last !== undefined && link.seq <= last.seq) {
      const isStart = link.seq === 0 && new NextHash(CHAIN_START).of(bare) === link.hash;
      const what = isStart ? "the chain begins anew" : "it is there twice, or in the wrong place";
      this.#fault(`${what}: its seq is ${link.seq} after ${last.seq}`, line, byteOffset);
      // Of a line that does not belong here, nothing follows for those behind it.
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
          "it was put in: the hash of the line that follows does not know it",
          between.line,
          between.byteOffset,
        );
      } else {
        const which = last.seq < 0 ? "it" : "it, or what is before it,";
        this.#fault(`${which} was changed: its hash is another one`, line, byteOffset);
      }
    }
    this.#options.onLink(link, line);
    this.#follow();
  }

  #addLoose(bytes: Uint8Array, place: { line: number; byteOffset: number }): void {
    const parsed = parseLine(bytes);
    const reason = parsed === null
      ? "it is empty, and in no chain"
      : "event" in parsed
      ? "it is in no chain, as the lines before it are"
      : isTorn(bytes)
      ? undefined
      : `it is no event (${parsed.reason}), and no line that a crash cut short`;
    // The first of either kind is enough to tell of all.
    if (this.#loose.some((loose) => loose.reason === reason)) return;
    this.#loose.push({ ...place, reason });
  }

  #fault(reason: string, line: number, byteOffset: number): void {
    this.#options.faults.add({ path: this.#path, line, byteOffset, reason });
  }
}
