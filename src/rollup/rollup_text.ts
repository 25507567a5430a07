/**
 * The bytes of a rollup:
 *
 *     {"v":1, ...}\n       the head: totals and failures as JSON, and the digests of the texts of the two parts
 *     [1234,567,"..."]\n   the lengths of the two parts in bytes, and the SHA-256 of both
 *     gzip of JSON         the sketches
 *     gzip of JSON         the cells
 *
 * A reader that needs only totals reads only the head. The head does not depend on how well gzip compresses, so it can be
 * computed again from the archive and compared.
 *
 * @module
 */
import { sha256 } from "../line/digest.ts";
import type { FailureReason } from "./failure_reasons.ts";
import type { RollupContent, RollupTable } from "./rollup.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Maximum length of a rollup in bytes. An archive with a longer one has no rollup, so readers decode it. */
export const ROLLUP_BYTES_MAX = 256 * 1024;
/** Maximum length of a part in bytes when it is decompressed. */
const PART_BYTES_MAX = 4 * 1024 * 1024;

/** The head of a rollup. */
export interface RollupHead {
  readonly v: 1;
  /** SHA-256 of the content of the archive, hexadecimal. */
  readonly content_sha256: string;
  /** The declared fields, by each of which a table groups the events. */
  readonly fields: readonly string[];
  readonly tables: readonly RollupTable[];
  readonly failures: readonly FailureReason[] | null;
  readonly longest: number;
  /** SHA-256 of the text of each part, hexadecimal. */
  readonly sketches_sha256: string;
  readonly cells_sha256: string;
}

/** The bytes of a rollup. */
export interface RollupBytes {
  /** SHA-256 of the head, hexadecimal. It identifies the rollup in the manifest. */
  readonly digest: string;
  readonly bytes: Bytes;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const LINE_BREAK = encoder.encode("\n");

/** Resolves with the bytes of a rollup; null if they would be too many. */
export async function rollupBytes(
  { tables, failures, longest, sketches, cells }: RollupContent,
  { content_sha256, fields }: Pick<RollupHead, "content_sha256" | "fields">,
): Promise<RollupBytes | null> {
  const [sketchesText, cellsText] = [encoded(sketches), encoded(cells)];
  if (Math.max(sketchesText.byteLength, cellsText.byteLength) > PART_BYTES_MAX) return null;
  const head: RollupHead = {
    v: 1,
    content_sha256,
    fields,
    tables,
    failures,
    longest,
    sketches_sha256: sha256(sketchesText),
    cells_sha256: sha256(cellsText),
  };
  const headText = encoded(head);
  const parts = [await compressed(sketchesText), await compressed(cellsText)] as const;
  const facts = encoded([...parts.map(({ byteLength }) => byteLength), sha256(joined(parts))]);
  const bytes = joined([headText, LINE_BREAK, facts, LINE_BREAK, ...parts]);
  return bytes.byteLength > ROLLUP_BYTES_MAX ? null : { digest: sha256(headText), bytes };
}

function encoded(value: unknown): Bytes {
  return encoder.encode(JSON.stringify(value));
}

function joined(parts: readonly Bytes[]): Bytes {
  const bytes = new Uint8Array(parts.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.byteLength;
  }
  return bytes;
}

async function compressed(text: Bytes): Promise<Bytes> {
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/**
 * Parses the head of a rollup. Returns null if it does not have the form of this version. The caller must have compared
 * the digest of the head with that in the manifest, so the numbers in it are not checked.
 */
export function parseHead(head: Uint8Array): RollupHead | null {
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(head));
  } catch {
    // The head is not JSON. A program that changes both the head and its digest in the manifest can cause this.
    return null;
  }
  return isHead(value) ? value : null;
}

function isHead(value: unknown): value is RollupHead {
  const { v, content_sha256, fields, tables, failures, longest, sketches_sha256, cells_sha256 } =
    (value ?? {}) as Partial<RollupHead>;
  return v === 1 && typeof content_sha256 === "string" && Array.isArray(fields) &&
    Array.isArray(tables) && tables.every(isTable) && typeof longest === "number" &&
    (failures === null || Array.isArray(failures)) && typeof sketches_sha256 === "string" &&
    typeof cells_sha256 === "string";
}

function isTable(table: RollupTable): boolean {
  if (typeof table !== "object" || table === null) return false;
  const { by, keys, calls, spend } = table;
  const sums = calls ?? spend;
  return Array.isArray(by) && Array.isArray(keys) && Array.isArray(sums) &&
    sums.length === keys.length && [...keys, ...sums].every(Array.isArray);
}

/**
 * Resolves with the sketches, or the cells, of each table of a rollup. Resolves with null if the bytes after the head are
 * damaged, or do not belong to this head.
 *
 * @param rest The bytes that follow the line break of the head.
 */
export async function parsePart<Name extends "sketches" | "cells">(
  name: Name,
  rest: Bytes,
  head: RollupHead,
): Promise<RollupContent[Name] | null> {
  const parts = partsIn(rest);
  const text = parts === null ? null : await decompressed(parts[name]);
  if (text === null || sha256(text) !== head[`${name}_sha256`]) return null;
  const part = JSON.parse(decoder.decode(text)) as RollupContent[Name];
  return isPart(name, part, head) ? part : null;
}

/** Checks that a part has a row for each group of each table in the head, or cells of these groups. */
function isPart(
  name: "sketches" | "cells",
  part: RollupContent["sketches" | "cells"],
  { tables }: RollupHead,
): boolean {
  return Array.isArray(part) && part.length === tables.length &&
    part.every((rows, n) => {
      const { keys, calls } = tables[n]!;
      if (!Array.isArray(rows) || !rows.every(Array.isArray)) return false;
      return name === "sketches"
        ? rows.length === (calls === null ? 0 : keys.length)
        : rows.every(([, group]) => keys[group as number] !== undefined);
    });
}

/**
 * Checks whether no bit of the bytes after the head was changed. {@linkcode parsePart} does not notice a change that leaves
 * the decompressed texts as they are, such as one in a header of gzip.
 */
export function areIntact(rest: Bytes): boolean {
  const parts = partsIn(rest);
  if (parts === null) return false;
  const { sketches, cells, compressed_sha256 } = parts;
  return sha256(joined([sketches, cells])) === compressed_sha256 && parts.isEnd;
}

/** The compressed parts of a rollup. */
interface Parts {
  readonly sketches: Bytes;
  readonly cells: Bytes;
  /** SHA-256 of both parts, as the rollup states it. */
  readonly compressed_sha256: string;
  /** Whether the parts have the stated lengths and nothing follows them. */
  readonly isEnd: boolean;
}

function partsIn(rest: Bytes): Parts | null {
  const start = rest.indexOf(LINE_BREAK[0]!) + 1;
  const line = new TextDecoder().decode(rest.subarray(0, Math.max(0, start - 1)));
  const [, first, second, compressed_sha256 = ""] =
    /^\[(\d{1,9}),(\d{1,9}),"([0-9a-f]{64})"\]$/.exec(line) ?? [];
  if (first === undefined || second === undefined) return null;
  const middle = start + Number(first);
  const end = middle + Number(second);
  return {
    sketches: rest.subarray(start, middle),
    cells: rest.subarray(middle, end),
    compressed_sha256,
    isEnd: end === rest.byteLength,
  };
}

/** Resolves with the decompressed bytes; null if they are not gzip, or too many. */
async function decompressed(bytes: Bytes): Promise<Bytes | null> {
  const chunks: Bytes[] = [];
  let length = 0;
  try {
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    for await (const chunk of stream) {
      length += chunk.byteLength;
      if (length > PART_BYTES_MAX) return null;
      chunks.push(chunk);
    }
  } catch (error) {
    // The part was damaged. The archive still has the events.
    if (error instanceof TypeError) return null;
    throw error;
  }
  return joined(chunks);
}
