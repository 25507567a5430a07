/**
 * Encodes rollups (the sums of an archive) synchronously, for simulated disks and planted faults. The library itself
 * compresses rollups in streams, which takes several turns of the event loop.
 *
 * @module
 */
import { gzipSync } from "node:zlib";
import { sha256 } from "../../src/line/digest.ts";
import { PART_NAMES, type RollupBytes } from "../../src/rollup/rollup_text.ts";
import { SegmentScan } from "../../src/segments/segment_summary.ts";
import { joined } from "../bytes.ts";

const LINE_BREAK = 0x0a;
const encoder = new TextEncoder();

/** Options of {@linkcode rollupOf}. */
export interface RollupOptions {
  /**
   * The lines from which the sums are computed, by default `raw`. If they differ from `raw`, the rollup is a forgery.
   */
  readonly events?: Uint8Array;
  /** Maximum length of a line in bytes. The sums leave out longer lines. */
  readonly maxLineBytes?: number;
}

/**
 * Returns the rollup (sums) of an archive with the content `raw`; null if the archive has too many groups of events for
 * a rollup.
 */
export function rollupOf(
  raw: Uint8Array,
  { events = raw, maxLineBytes = 10_000 }: RollupOptions = {},
): RollupBytes | null {
  const scan = new SegmentScan(maxLineBytes, []);
  scan.add(events.slice());
  scan.finish();
  if (scan.rollup === null) return null;
  const { sketches, cells, sessions, sessionCells, activity, ...content } = scan.rollup;
  const named = { sketches, cells, sessions, sessionCells, activity };
  const texts = PART_NAMES.map((name) => encoder.encode(JSON.stringify(named[name])));
  const digests = PART_NAMES.map((name, n) => [name, sha256(texts[n]!)]);
  const head = {
    v: 1,
    content_sha256: sha256(raw),
    fields: [],
    ...content,
    parts_sha256: Object.fromEntries(digests),
  };
  const headText = encoder.encode(JSON.stringify(head));
  const parts = texts.map((text) => new Uint8Array(gzipSync(text)));
  const facts = [...parts.map(({ byteLength }) => byteLength), sha256(joined(...parts))];
  const bytes = joined(
    headText,
    encoder.encode(`\n${JSON.stringify(facts)}\n`),
    ...parts,
  );
  return { digest: sha256(headText), bytes };
}

/** Returns the digest with which the manifest identifies a rollup (the sums of an archive). */
export function rollupDigest(rollup: Uint8Array): string {
  return sha256(rollup.subarray(0, rollup.indexOf(LINE_BREAK)));
}

/** Returns a forged rollup (sums) of an archive with the content `raw`, which lacks the archive's last event. */
export function withoutLastEvent(raw: Uint8Array): Uint8Array<ArrayBuffer> {
  const events = raw.subarray(0, raw.lastIndexOf(LINE_BREAK, -2) + 1);
  return rollupOf(raw, { events })!.bytes;
}
