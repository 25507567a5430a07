/**
 * Identifies imported records, so that no record of a source is imported twice by mistake.
 *
 * The field `import_id` of an imported event is `FIRST-SUM-NUMBER`: a digest of the first record of the source, a
 * digest of all records from the first to this record, and the number of this record, from 1. The ID does not depend on
 * the name of the source.
 *
 * - If records were added at the end of a source, the records before them keep their IDs.
 * - If an import was interrupted, a second run of it continues with the first record whose ID is not in the log.
 * - If a record was changed, that record and all later records of the source get new IDs.
 * - If two sources begin with the same records, the IDs of these records are the same, and the IDs differ from the
 *   first different record on.
 *
 * @module
 */
import { startSha256 } from "../line/digest.ts";
import type { AuditEvent } from "../event.ts";

const ID = /^([0-9a-f]{16})-([0-9a-f]{16})-([1-9]\d{0,9})$/;
const DIGEST_DIGITS = 16;

/** Number of digests in a block of memory. */
const BLOCK = 65_536;

/** The IDs of the records of one source (an imported file or pipe), in their order. */
export class RecordIds {
  readonly #keepsSums: boolean;
  #first = "";
  #last = "";
  #count = 0;
  readonly #sums: Uint32Array[] = [];

  /**
   * Starts without records.
   *
   * @param keepsSums Whether to keep a part of each digest for {@linkcode sumAt}. It takes 4 bytes a record.
   */
  constructor({ keepsSums = false }: { keepsSums?: boolean } = {}) {
    this.#keepsSums = keepsSums;
  }

  /** Whether {@linkcode sumAt} can be called. */
  get keepsSums(): boolean {
    return this.#keepsSums;
  }

  /** Number of records of the source that were passed to {@linkcode add}. */
  get count(): number {
    return this.#count;
  }

  /** Digest of the first record; an empty string until the first record is added. */
  get first(): string {
    return this.#first;
  }

  /** Adds the next record of the source, and returns its ID, which depends on its content and all records before it. */
  add(content: string | Uint8Array): string {
    this.#last = startSha256().update(this.#last).update(content).digest("hex")
      .slice(0, DIGEST_DIGITS);
    if (this.#count === 0) this.#first = this.#last;
    if (this.#keepsSums) {
      const place = this.#count % BLOCK;
      if (place === 0) this.#sums.push(new Uint32Array(BLOCK));
      this.#sums.at(-1)![place] = shortSum(this.#last);
    }
    this.#count++;
    return `${this.#first}-${this.#last}-${this.#count}`;
  }

  /**
   * Returns the first 32 bits of the cumulative digest of the first `number` records. If two sources differ in a record,
   * their digests differ from this record on. So even if the bits of one record are equal by chance, those of the next
   * records are not.
   */
  sumAt(number: number): number {
    return this.#sums[Math.floor((number - 1) / BLOCK)]![(number - 1) % BLOCK]!;
  }
}

/** Returns the first 32 bits of a digest. */
function shortSum(digest: string): number {
  return parseInt(digest.slice(0, 8), 16);
}

/** What an earlier import has done with the records of a source. */
interface EarlierRecords {
  /** Whether the log has the record, by its number. */
  readonly present: Bits;
  /** Whether the log has another record of the same number, from a source with the same first record. */
  readonly different: Bits;
}

/** Returns the digest of the first record of the source from which an event was imported; "" for any other event. */
export function firstOf({ import_id }: AuditEvent): string {
  return (typeof import_id === "string" ? ID.exec(import_id)?.[1] : undefined) ?? "";
}

/**
 * Finds out which records of some sources a log already contains. A source that does not keep its digests counts as
 * new: neither the log nor another source may begin with the same record.
 */
export class EarlierImports {
  /** The sources that begin with the same record, by the digest of that record. */
  readonly #sources: Map<string, RecordIds[]>;
  readonly #earlier = new Map<RecordIds, EarlierRecords>();

  /** Prepares the search for the records of `sources`, the files that are to be imported now. */
  constructor(sources: Iterable<RecordIds>) {
    const kept = [...sources].filter(({ keepsSums }) => keepsSums);
    this.#sources = Map.groupBy(kept, ({ first }) => first);
    for (const source of [...this.#sources.values()].flat()) {
      const { count } = source;
      this.#earlier.set(source, { present: new Bits(count), different: new Bits(count) });
    }
  }

  /**
   * Adds the record from which an event was imported. Ignores events that were not imported. Also ignores an event if
   * its source has another first record than all sources that the constructor received.
   */
  add({ import_id }: AuditEvent): void {
    if (typeof import_id !== "string") return;
    const [, first = "", digest = "", digits = ""] = ID.exec(import_id) ?? [];
    const number = Number(digits);
    const sum = shortSum(digest);
    for (const source of this.#sources.get(first) ?? []) {
      if (number > source.count) continue;
      const { present, different } = this.#earlier.get(source)!;
      (source.sumAt(number) === sum ? present : different).set(number);
    }
  }

  /**
   * Marks records of `next` as contained in the log if `source` has them too: those up to the end of the shorter of the
   * two, if all of these records are equal. So they are imported only once, from `source`.
   */
  addAll(source: RecordIds, next: RecordIds): void {
    const common = Math.min(source.count, next.count);
    if (common === 0 || source.first !== next.first || !source.keepsSums) return;
    if (source.sumAt(common) !== next.sumAt(common)) return;
    for (let number = 1; number <= common; number++) this.#earlier.get(next)!.present.set(number);
  }

  /** Checks whether the log contains the record of a source with this number. The first record has the number 1. */
  has(source: RecordIds, number: number): boolean {
    return this.#earlier.get(source)?.present.has(number) ?? false;
  }

  /**
   * Returns the number of the first record that was changed since an earlier import of the source; null if there is
   * none. A record counts as changed if the log lacks it, but has another record with the same number, from a source
   * with the same first record.
   */
  conflictIn(source: RecordIds): number | null {
    const earlier = this.#earlier.get(source);
    if (earlier === undefined) return null;
    const { present, different } = earlier;
    for (let number = 1; number <= source.count; number++) {
      if (different.has(number) && !present.has(number)) return number;
    }
    return null;
  }
}

/** A bit set of integers from 0 on. */
export class Bits {
  #bytes: Uint8Array;

  /** Creates an empty set of numbers up to `max`. It grows if a larger number is added. */
  constructor(max = 0) {
    this.#bytes = new Uint8Array((max >> 3) + 1);
  }

  /** Adds a number. */
  set(number: number): void {
    const index = number >> 3;
    if (index >= this.#bytes.length) {
      const longer = new Uint8Array(2 * index + 1);
      longer.set(this.#bytes);
      this.#bytes = longer;
    }
    this.#bytes[index]! |= 1 << (number & 7);
  }

  /** Checks whether a number is in the set. */
  has(number: number): boolean {
    return ((this.#bytes[number >> 3] ?? 0) >> (number & 7) & 1) === 1;
  }
}
