/**
 * Generates arbitrary manifests (lists of archives): true manifests, and manifests that were changed by chance or on
 * purpose.
 *
 * @module
 */
import fc from "fast-check";
import type { ArchiveFacts } from "../../src/segments/manifest_line.ts";
import { ManifestLines } from "../../src/segments/manifest_lines.ts";
import { SegmentScan } from "../../src/segments/segment_summary.ts";
import { type Archive, archiveBytes } from "./fuzz_archive.ts";
import { type Bytes, damage, MAX_LINE_BYTES } from "./fuzz_lines.ts";
import { rollupOf } from "./rollup_bytes.ts";
import { gzipFacts, joined } from "../bytes.ts";

/** A manifest for the archives of a log. */
export interface FuzzedManifest {
  /** For each line, members that replace members of the true line with forged values. */
  readonly forged: readonly (readonly (readonly [name: string, value: unknown])[])[];
  /** Numbers of the lines that are left out. */
  readonly leftOut: readonly number[];
  /** Numbers of the lines that appear twice. */
  readonly twice: readonly number[];
  readonly damages: readonly ((bytes: Bytes) => Bytes)[];
}

/** An archive and its file name. */
export interface NamedArchive {
  readonly name: string;
  readonly archive: Archive;
}

/**
 * Counts in forged lines. A count that is larger than the archive can contain is obviously false. No count is so large
 * that a loop up to it would take forever, because nothing could interrupt such a loop.
 */
const COUNTS = [0, 1, 2, 7, 60_000];
const VALUES: readonly unknown[] = [
  ...[0, 1, -1, 0.5, 2 ** 31, 2 ** 53, 1e308, -0, null, "", "x", true, [], {}, "NaN"],
  ...["2026-02-13T14:30:22.123Z", "1970-01-01T00:00:00.000Z", "+275760-09-13T00:00:00.000Z"],
  ...["2026", "0".repeat(64), "audit_20260213_120000.jsonl.gz", "../../etc/passwd"],
];
const NAMES = [
  ...["archive", "lines", "malformed", "oversized", "untimed", "raw_bytes", "gzip_bytes"],
  ...["first_ts", "last_ts", "min_ts", "max_ts", "sha256", "rebuilt", "events"],
  ...["last_seq", "last_hash", "gzip_sha256", "spans", "rollup_sha256"],
];

const figures = fc.dictionary(
  fc.constantFrom("nav", "validation_fail", "brief", "", "__proto__", "gate_compress"),
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        count: fc.constantFrom(...COUNTS),
        cost: fc.constantFrom(0, 0.25, -5, 1e308, -1e308),
      }),
    },
    { weight: 1, arbitrary: fc.constantFrom(...VALUES) },
  ),
  { maxKeys: 3, noNullPrototype: true },
);

const pairs = fc.array(fc.tuple(fc.constantFrom("nav", "s", ""), fc.constantFrom("1", "x")), {
  maxLength: 2,
});
const spans = fc.record({
  ended: pairs,
  unlisted: fc.subarray(["nav", "brief"]),
  begun: fc.array(
    fc.constantFrom("", "42", "{", "\ud800", '{"event":"nav_begin","span":"1"}', '{"span":"1"}'),
    { maxLength: 2 },
  ),
  cut: fc.boolean(),
  seen: fc.oneof(pairs, fc.constant(null)),
}, { noNullPrototype: true });

const forgery = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(fc.constantFrom(...NAMES), fc.constantFrom(...VALUES)) },
  { weight: 2, arbitrary: fc.tuple(fc.constant("events"), figures) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("spans"), spans) },
);

const someNumbers = fc.oneof(
  { weight: 3, arbitrary: fc.constant([]) },
  { weight: 1, arbitrary: fc.array(fc.nat(3), { maxLength: 2 }) },
);

/** Generates manifests, half of them true. */
export const manifest: fc.Arbitrary<FuzzedManifest> = fc.record({
  forged: fc.oneof(
    { weight: 2, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: fc.array(fc.array(forgery, { maxLength: 3 }), { maxLength: 3 }) },
  ),
  leftOut: someNumbers,
  twice: someNumbers,
  damages: fc.oneof(
    { weight: 3, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: fc.array(damage, { minLength: 1, maxLength: 2 }) },
  ),
});

/** Checks whether the manifest contains no false statement. Lines may be missing. */
export function tellsTruth({ forged, damages }: FuzzedManifest): boolean {
  return damages.length === 0 && forged.every((members) => members.length === 0);
}

/** Returns the bytes of the manifest for the archives. */
export function manifestBytes(
  { forged, leftOut, twice, damages }: FuzzedManifest,
  archives: readonly NamedArchive[],
): Bytes {
  const lines = new ManifestLines();
  const parts = archives.flatMap((archive, index) => {
    if (leftOut.includes(index)) return [];
    const facts = { ...factsOf(archive), ...Object.fromEntries(forged[index] ?? []) };
    return Array.from({ length: twice.includes(index) ? 2 : 1 }, () => {
      const line = lines.next(facts);
      lines.take(line);
      return line;
    });
  });
  return damages.reduce((bytes, each) => each(bytes), joined(...parts));
}

/** Returns the data that a true line of the manifest states about the archive. */
function factsOf({ name, archive }: NamedArchive): ArchiveFacts {
  const scan = new SegmentScan(MAX_LINE_BYTES);
  scan.add(archive.raw);
  const gzip = gzipFacts(archiveBytes(archive));
  const summary = scan.finish();
  const rollup_sha256 = rollupOf(archive.raw, { maxLineBytes: MAX_LINE_BYTES })?.digest ?? null;
  return { archive: name, ...summary, ...gzip, rollup_sha256, rebuilt: false };
}
