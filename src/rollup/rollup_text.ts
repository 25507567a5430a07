/**
 * The format of a rollup, the file with the sums of one archive:
 *
 *     {"v":1, ...}\n             the head: totals, failures, the gate and holds as JSON, and the digests of the
 *                                texts of the parts
 *     [1234,567,89,90,"..."]\n   the lengths of the parts in bytes, and the SHA-256 of all parts
 *     gzip of JSON, five times   the sketches, the cells, the sessions, the cells of the sessions, and the activity
 *
 * A reader that needs only totals reads only the head. The head does not depend on how well gzip compresses, so it can
 * be computed again from the archive and compared.
 *
 * @module
 */
import { sha256 } from "../line/digest.ts";
import {
  agentsOf,
  type RollupContent,
  type RollupGroups,
  type RollupParts,
  type RollupTable,
  type StoredCell,
} from "./rollup.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/**
 * Maximum length of a rollup in bytes. If the rollup of an archive would be longer, it is not written, and readers
 * decode the archive.
 */
export const ROLLUP_BYTES_MAX = 256 * 1024;
/** Maximum length of a decompressed part of a rollup in bytes, so that a forged part cannot fill the memory. */
const PART_BYTES_MAX = 4 * 1024 * 1024;

/** The names of the parts of a rollup, in the order in which a rollup stores them. */
export const PART_NAMES = [
  "sketches",
  "cells",
  "sessions",
  "sessionCells",
  "activity",
] as const satisfies (keyof RollupParts)[];
/** The name of a part of a rollup. */
export type PartName = typeof PART_NAMES[number];

/** The head of a rollup: its first line, which is enough for questions about totals. */
export interface RollupHead extends Omit<RollupContent, PartName> {
  readonly v: 1;
  /** SHA-256 of the content of the archive, hexadecimal. */
  readonly content_sha256: string;
  /** The fields in the option `rollupFields` of the log. For each field, a table groups the events by its values. */
  readonly fields: readonly string[];
  /** SHA-256 of the text of each part, hexadecimal. */
  readonly parts_sha256: Readonly<Record<PartName, string>>;
}

/** The bytes of a rollup. */
export interface RollupBytes {
  /**
   * SHA-256 of the head of the rollup, hexadecimal. The manifest states this digest, so that a reader notices a changed
   * or old rollup.
   */
  readonly digest: string;
  readonly bytes: Bytes;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const LINE_BREAK = encoder.encode("\n");

/** Resolves with the bytes of a rollup; null if the rollup would be longer than its maximum length. */
export async function rollupBytes(
  { sketches, cells, sessions, sessionCells, activity, ...content }: RollupContent,
  { content_sha256, fields }: Pick<RollupHead, "content_sha256" | "fields">,
): Promise<RollupBytes | null> {
  const parts = { sketches, cells, sessions, sessionCells, activity };
  const texts = PART_NAMES.map((name) => encoded(parts[name]));
  if (texts.some(({ byteLength }) => byteLength > PART_BYTES_MAX)) return null;
  const digests = PART_NAMES.map((name, n) => [name, sha256(texts[n]!)]);
  const head: RollupHead = {
    v: 1,
    content_sha256,
    fields,
    ...content,
    parts_sha256: Object.fromEntries(digests) as RollupHead["parts_sha256"],
  };
  const headText = encoded(head);
  const compressed: Bytes[] = [];
  for (const text of texts) compressed.push(await gzipped(text));
  const lengths = compressed.map(({ byteLength }) => byteLength);
  const facts = encoded([...lengths, sha256(joined(compressed))]);
  const bytes = joined([headText, LINE_BREAK, facts, LINE_BREAK, ...compressed]);
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

async function gzipped(text: Bytes): Promise<Bytes> {
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/**
 * Parses the head of a rollup. Returns null if it does not have the form of this version. The numbers in the head are
 * not checked, because the caller must have compared the digest of the head with the digest in the manifest.
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
  const { v, longest, failures, content_sha256, parts_sha256, ...head } = (value ?? {}) as Partial<
    RollupHead
  >;
  const { fields, tables, gate, holds, budgetStates, validations } = head;
  return v === 1 && typeof longest === "number" && typeof budgetStates === "number" &&
    (failures === null || Array.isArray(failures)) &&
    [fields, tables, gate, holds].every(Array.isArray) && areRows(validations) &&
    tables!.every(isTable) &&
    holds!.every(Array.isArray) && typeof content_sha256 === "string" &&
    typeof parts_sha256 === "object" && parts_sha256 !== null;
}

function isTable(table: RollupTable): boolean {
  if (typeof table !== "object" || table === null) return false;
  const { by, keys, calls } = table;
  return Array.isArray(by) && areRows(keys) && areRows(calls) && calls.length === keys.length;
}

function areRows(rows: unknown): rows is readonly (readonly unknown[])[] {
  return Array.isArray(rows) && rows.every(Array.isArray);
}

/**
 * Resolves with a part of a rollup. Resolves with null if the bytes after the head are damaged, or do not belong to
 * this head.
 *
 * @param rest The bytes that follow the line break of the head.
 */
export async function parsePart<Name extends PartName>(
  name: Name,
  rest: Bytes,
  head: RollupHead,
): Promise<RollupParts[Name] | null> {
  const parts = partsIn(rest);
  const text = parts === null ? null : await decompressed(parts.bytes[PART_NAMES.indexOf(name)]!);
  if (text === null || sha256(text) !== head.parts_sha256[name]) return null;
  const part = JSON.parse(decoder.decode(text)) as RollupParts[Name] | null;
  return part !== null && IS_PART[name](part, head.tables) ? part : null;
}

/** For each part, a function that checks whether the part has the form that the tables in the head require. */
const IS_PART: {
  readonly [Name in PartName]: (part: RollupParts[Name], tables: RollupHead["tables"]) => boolean;
} = {
  sketches: (part, tables) =>
    Array.isArray(part) && part.length === tables.length &&
    part.every((rows, n) => areRows(rows) && rows.length === tables[n]!.keys.length),
  cells: ({ tables: cells, quarters, validations }, tables) =>
    areRows(quarters) && areRows(validations) && Array.isArray(cells) &&
    cells.length === tables.length &&
    cells.every((rows, n) => areCells(rows, tables[n]!)),
  sessions: ({ keys, spend, times }) =>
    [keys, spend, times].every(areRows) && spend.length === keys.length &&
    times.length === keys.length,
  // Whether the cells belong to the sessions can be checked only with both parts, see areCells().
  sessionCells: areRows,
  activity: ({ calls, durations }, tables) => {
    const agents = agentsOf(tables);
    return areRows(calls) && calls.every(([, agent]) => agents[agent] !== undefined) &&
      (durations === null || areRows(durations));
  },
};

/** Checks whether each cell of a table belongs to one of its groups. */
export function areCells(
  cells: readonly StoredCell[],
  { keys }: Pick<RollupGroups, "keys">,
): boolean {
  return areRows(cells) && cells.every(([, group]) => keys[group] !== undefined);
}

/**
 * Checks whether all bytes after the head of a rollup are unchanged. {@linkcode parsePart} does not notice a change
 * that leaves the decompressed texts as they are, such as a change in a header of gzip.
 */
export function areIntact(rest: Bytes): boolean {
  const parts = partsIn(rest);
  return parts !== null && sha256(joined(parts.bytes)) === parts.compressed_sha256 && parts.isEnd;
}

/** The compressed parts of a rollup. */
interface Parts {
  /** The bytes of each part, in the order of {@linkcode PART_NAMES}. */
  readonly bytes: readonly Bytes[];
  /** SHA-256 of all compressed parts, as the line before them in the rollup states it. */
  readonly compressed_sha256: string;
  /** Whether the parts have the stated lengths and nothing follows them. */
  readonly isEnd: boolean;
}

function partsIn(rest: Bytes): Parts | null {
  let at = rest.indexOf(LINE_BREAK[0]!) + 1;
  const line = new TextDecoder().decode(rest.subarray(0, Math.max(0, at - 1)));
  const [, lengths, compressed_sha256 = ""] =
    /^\[((?:\d{1,9},){5})"([0-9a-f]{64})"\]$/.exec(line) ?? [];
  if (lengths === undefined) return null;
  const bytes = lengths.split(",", PART_NAMES.length)
    .map((length) => rest.subarray(at, at += Number(length)));
  return { bytes, compressed_sha256, isEnd: at === rest.byteLength };
}

/** Resolves with the decompressed bytes; null if the bytes are not gzip, or if the result would be too long. */
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
    // The part of the rollup is damaged. The caller then decodes the archive, which still has the events.
    if (error instanceof TypeError) return null;
    throw error;
  }
  return joined(chunks);
}
