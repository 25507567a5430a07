/**
 * What is in a log and what of it is in a stream, to be compared byte by byte.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { gunzipSync } from "node:zlib";
import { denoFileSystem } from "../../src/platform/deno_file_system.ts";
import { contentOf } from "../../src/fleet/block.ts";
import type { FleetConnection } from "../../src/fleet/connection.ts";
import { blockFrom, subjectOf } from "../../src/fleet/fleet_stream.ts";
import { listSegments } from "../../src/segments/list_segments.ts";
import { LogFiles } from "../../src/segments/segment_name.ts";

const decoder = new TextDecoder();

/** Everything that is in the files of a log at rest, in the order of its content. */
export function textOfLog(path: string): string {
  const files = new LogFiles(path);
  const parts: Uint8Array[] = listSegments(denoFileSystem, files).map(({ stamp, forms }) =>
    forms.has("archive")
      ? gunzipSync(Deno.readFileSync(files.archive(stamp)))
      : Deno.readFileSync(files.sealed(stamp))
  );
  // After a rotation there is none until the next event.
  if (denoFileSystem.status(path) !== null) parts.push(Deno.readFileSync(path));
  return parts.map((bytes) => decoder.decode(bytes)).join("");
}

/** What a stream holds of a log. */
export interface Shipped {
  /** Its bytes, those of the gaps left out. */
  readonly text: string;
  readonly blocks: number;
  /** Where blocks do not follow one another: from the end of one to the beginning of the next. */
  readonly seams: [to: number, from: number][];
}

/** Reads a log back, and checks the digest of each block. */
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
    if (!("facts" in found)) throw new Error(`message ${found.seq} is no block`);
    const { facts, data } = found;
    const bytes = await contentOf(data, facts);
    assert(bytes !== null, `message ${found.seq} is not what it says`);
    if (facts.from !== position) seams.push([position, facts.from]);
    else assertEquals(facts.isContinued, isWithin);
    isWithin = facts.isCut;
    texts.push(decoder.decode(bytes));
    position = facts.to;
    seq = found.seq + 1;
    blocks++;
  }
}
