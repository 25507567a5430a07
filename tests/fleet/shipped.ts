/**
 * The bytes of a log and its copy in a stream, for a comparison byte by byte.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { gunzipSync } from "node:zlib";
import { denoFileSystem } from "../../src/platform/deno_file_system.ts";
import { contentOf } from "../../src/fleet/block.ts";
import type { FleetConnection } from "../../src/fleet/connection.ts";
import { blockFrom, subjectOf } from "../../src/fleet/fleet_stream.ts";
import { LogDirectory } from "../../src/segments/log_directory.ts";

const decoder = new TextDecoder();

/** Returns the text of all files of a log in order. No program may write to the log meanwhile. */
export function textOfLog(path: string): string {
  const log = new LogDirectory(denoFileSystem, path);
  const parts: Uint8Array[] = log.segments().map(({ stamp, forms }) =>
    forms.has("archive")
      ? gunzipSync(Deno.readFileSync(log.files.archive(stamp)))
      : Deno.readFileSync(log.files.sealed(stamp))
  );
  // After a rotation, the active file does not exist until the next event.
  if (denoFileSystem.status(path) !== null) parts.push(Deno.readFileSync(path));
  return parts.map((bytes) => decoder.decode(bytes)).join("");
}

/** The copy of a log in a stream. */
export interface Shipped {
  /** The text of all messages in the order of the stream. */
  readonly text: string;
  readonly blocks: number;
  /**
   * The places where a message does not start at the end of the message before: the end of the one, and the start of
   * the other.
   */
  readonly seams: [to: number, from: number][];
}

/** Reads the copy of a log, and checks the digest of each block. */
export async function shippedOf(
  connection: FleetConnection,
  log: string,
  fleet = "f",
): Promise<Shipped> {
  const place = { connection, stream: "AUDIT", timeoutMs: 5_000 };
  const texts: string[] = [];
  const seams: [number, number][] = [];
  let [seq, position, blocks] = [1, 0, 0];
  let isWithin = false;
  while (true) {
    const found = await blockFrom(place, { seq, subject: subjectOf(fleet, log) });
    if (found === null) return { text: texts.join(""), blocks, seams };
    if (!("facts" in found)) throw new Error(`message ${found.seq} is not a block`);
    const { facts, data } = found;
    const bytes = await contentOf(data, facts);
    assert(bytes !== null, `the data of message ${found.seq} does not match its headers`);
    if (facts.from !== position) seams.push([position, facts.from]);
    else assertEquals(facts.isContinued, isWithin);
    isWithin = facts.isCut;
    texts.push(decoder.decode(bytes));
    position = facts.to;
    seq = found.seq + 1;
    blocks++;
  }
}
