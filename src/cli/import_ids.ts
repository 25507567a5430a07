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
import { createHash } from "node:crypto";
import type { AuditEvent } from "../event.ts";

const ID = /^([0-9a-f]{16})-([0-9a-f]{16})-([1-9]\d{0,9})$/;
const DIGEST_DIGITS = 16;

/** The IDs of the records of one source (an imported file or pipe), in their order. */
export class RecordIds {
  #first = "";
  #last = "";
  #sums: BigUint64Array = new BigUint64Array(1024);
  #count = 0;

  /** Number of records of the source that were added. */
  get count(): number {
    return this.#count;
  }

  /** Digest of the first record; an empty string until the first record is added. */
  get first(): string {
    return this.#first;
  }

  /** Adds the next record of the source. Its ID is computed from its content and all records before it. */
  add(content: string | Uint8Array): void {
    this.#last = createHash("sha256").update(this.#last).update(content).digest("hex")
      .slice(0, DIGEST_DIGITS);
    if (this.#count === 0) this.#first = this.#last;
    if (this.#count === this.#sums.length) {
      const longer = new BigUint64Array(2 * this.#sums.length);
      longer.set(this.#sums);
      this.#sums = longer;
    }
    this.#sums[this.#count++] = BigInt(`0x${this.#last}`);
  }

  /** Returns the digest of the first `number` records, which the ID of the last of them contains. */
  sumAt(number: number): bigint {
    return this.#sums[number - 1]!;
  }

  /** Returns the ID of the record with the number `number`. The first record has the number 1. */
  idOf(number: number): string {
    const sum = this.sumAt(number).toString(16).padStart(DIGEST_DIGITS, "0");
    return `${this.#first}-${sum}-${number}`;
  }
}

/**
 * Collects the records that were imported into a log before, to find out which records of some sources the log already
 * contains.
 */
export class EarlierImports {
  /**
   * The records that were imported before. FIRST, SUM and NUMBER are the parts of their field `import_id`. The key of
   * the map is FIRST, the digest of the first record of the source. SUM, the digest of all records up to a record,
   * identifies the record. `byNumber` has at most one SUM for each record number. Different sources may begin with the
   * same record, so a number can have several SUMs; `others` has the remaining ones as `SUM-NUMBER`.
   */
  readonly #sums = new Map<string, { byNumber: BigUint64Array; others: Set<string> }>();

  /** Prepares the search for the records of `sources`, the files that are to be imported now. */
  constructor(sources: Iterable<RecordIds>) {
    for (const { first, count } of sources) {
      const length = Math.max(count + 1, this.#sums.get(first)?.byNumber.length ?? 0);
      this.#sums.set(first, { byNumber: new BigUint64Array(length), others: new Set() });
    }
  }

  /**
   * Adds the record from which an event was imported. Ignores events that were not imported. Also ignores an event if
   * its source has another first record than all sources that the constructor received.
   */
  add({ import_id }: AuditEvent): void {
    const [, first = "", sum = "", number = ""] = ID.exec(String(import_id)) ?? [];
    if (this.#sums.has(first)) this.#add(first, BigInt(`0x${sum}`), Number(number));
  }

  /**
   * If `source` and `next` have the same records up to the end of the shorter one, treats all records of `source` as if
   * the log contained them. So the records that both sources have are imported only once.
   */
  addAll(source: RecordIds, next: RecordIds): void {
    const common = Math.min(source.count, next.count);
    if (source.first !== next.first || source.sumAt(common) !== next.sumAt(common)) return;
    for (let number = 1; number <= source.count; number++) {
      this.#add(source.first, source.sumAt(number), number);
    }
  }

  /** Checks whether the log contains the record of a source with this number. The first record has the number 1. */
  has(source: RecordIds, number: number): boolean {
    const { byNumber, others } = this.#sums.get(source.first)!;
    const sum = source.sumAt(number);
    return byNumber[number] === sum || others.has(`${sum}-${number}`);
  }

  /**
   * Returns the number of the first record that was changed since an earlier import of the source; null if there is
   * none. A record counts as changed if the log lacks it, but has another record with the same number, from a source
   * with the same first record.
   */
  conflictIn(source: RecordIds): number | null {
    const { byNumber } = this.#sums.get(source.first) ?? { byNumber: [] };
    for (let number = 1; number <= source.count; number++) {
      if ((byNumber[number] ?? 0n) !== 0n && !this.has(source, number)) return number;
    }
    return null;
  }

  #add(first: string, sum: bigint, number: number): void {
    const { byNumber, others } = this.#sums.get(first)!;
    // If the number is larger than the number of records of every source, the record comes from a longer file of an
    // earlier import. It is not needed, because has() never asks for such a number.
    if (number >= byNumber.length || byNumber[number] === sum) return;
    if (byNumber[number] === 0n) byNumber[number] = sum;
    else others.add(`${sum}-${number}`);
  }
}
