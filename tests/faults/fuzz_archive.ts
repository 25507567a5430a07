/**
 * Generates arbitrary archives of a log: intact gzip files, and damaged ones.
 *
 * @module
 */
import fc from "fast-check";
import { constants, gunzipSync, gzipSync } from "node:zlib";
import { type Bytes, lines } from "./fuzz_lines.ts";
import { joined } from "../bytes.ts";

/** Damage to an archive. `place` is its position, in 10,000ths of the length of the archive. */
export type ArchiveDamage =
  | { readonly kind: "none" | "plain" | "empty" }
  | { readonly kind: "cut" | "members"; readonly place: number }
  | { readonly kind: "flip"; readonly place: number; readonly bit: number }
  | { readonly kind: "trailing" | "replaced"; readonly bytes: Bytes };

/** The lines of an archive, and its damage. */
export interface Archive {
  readonly raw: Bytes;
  readonly damage: ArchiveDamage;
}

const place = fc.nat(9_999);
const LINE_BREAK = 0x0a;

const damage: fc.Arbitrary<ArchiveDamage> = fc.oneof(
  { weight: 10, arbitrary: fc.constant({ kind: "none" } as const) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom("plain", "empty") }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom("cut", "members"), place }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("flip"), place, bit: fc.nat(7) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom("trailing", "replaced"),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 30 }),
    }),
  },
);

/** Generates archives. */
export const archive: fc.Arbitrary<Archive> = fc.record({ raw: lines({ maxLength: 6 }), damage });

/** Returns the bytes of the archive file. */
export function archiveBytes({ raw, damage }: Archive): Bytes {
  const whole = gzip(raw);
  switch (damage.kind) {
    case "none":
      return whole;
    case "plain":
      return raw;
    case "empty":
      return new Uint8Array();
    case "cut":
      return whole.slice(0, indexIn(whole, damage.place));
    case "members": {
      const middle = indexIn(raw, damage.place);
      return joined(gzip(raw.slice(0, middle)), gzip(raw.slice(middle)));
    }
    case "flip":
      whole[indexIn(whole, damage.place)]! ^= 1 << damage.bit;
      return whole;
    case "trailing":
      return joined(whole, damage.bytes);
    case "replaced":
      return damage.bytes;
  }
}

/**
 * Returns the lines that a reader must find in the file. If `isAll` is true, the reader must find no other lines. If
 * `isDamaged` is true, the reader must report damage; `isDamaged` is undefined if this cannot be known.
 */
export function archiveLines(
  archive: Archive,
): { bytes: Uint8Array; isAll: boolean; isDamaged: boolean | undefined } {
  const { raw, damage } = archive;
  switch (damage.kind) {
    case "none":
    case "members":
      return { bytes: raw, isAll: true, isDamaged: false };
    case "plain":
      // The uncompressed bytes may begin like a gzip file by chance, and then decode to anything. So nothing is known
      // about the result.
      return { bytes: new Uint8Array(), isAll: false, isDamaged: undefined };
    case "empty":
      return { bytes: new Uint8Array(), isAll: true, isDamaged: true };
    case "trailing":
      // After the end of a gzip file, zeros are legal padding, as on tapes. The byte `MAGIC` may start another gzip
      // member. Any other byte is damage.
      return {
        bytes: wholeLines(raw),
        isAll: false,
        isDamaged: [0, MAGIC].includes(damage.bytes[0]!) ? undefined : true,
      };
    case "replaced":
      return { bytes: new Uint8Array(), isAll: false, isDamaged: undefined };
    case "cut":
      return { ...beginningOf(archiveBytes(archive)), isDamaged: true };
    case "flip": {
      const whole = gzip(raw);
      // A flipped bit in the header of a gzip file may do no harm, for example in the time. So it is unknown whether
      // the reader must report damage.
      return { ...beginningOf(whole.slice(0, indexIn(whole, damage.place))), isDamaged: undefined };
    }
  }
}

const MAGIC = 0x1f;

/**
 * Returns the whole lines that a reader must find in a cut or damaged gzip file. `bytes` is the part of the file before
 * the cut or the damage.
 */
function beginningOf(bytes: Bytes): { bytes: Uint8Array; isAll: boolean } {
  return { bytes: wholeLines(decodable(bytes)), isAll: false };
}

function decodable(bytes: Bytes): Uint8Array {
  try {
    return gunzipSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH });
  } catch {
    // The header of the gzip file is incomplete, so nothing can be decoded.
    return new Uint8Array();
  }
}

function wholeLines(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(0, bytes.lastIndexOf(LINE_BREAK) + 1);
}

function gzip(bytes: Bytes): Bytes {
  return new Uint8Array(gzipSync(bytes));
}

function indexIn(bytes: Bytes, place: number): number {
  return Math.floor(place / 10_000 * bytes.byteLength);
}
