/**
 * Decodes a log on disk without the library's reader, as an independent reference for tests.
 *
 * @module
 */
import { join } from "@std/path";
import type { ArchiveLine } from "../src/segments/manifest_line.ts";
import { ManifestLines } from "../src/segments/manifest_lines.ts";

/** The files of a log, and their lines. */
export interface DecodedLog {
  /** File names of the archives, oldest first. */
  archives: string[];
  /**
   * Names of the segments without an archive. A rotation renames the active file to a segment, and then compresses it
   * into an archive.
   */
  sealed: string[];
  /** Names of files that recovery would remove: segments that also have an archive, and unfinished archives. */
  leftovers: string[];
  /** Lines of all segments, oldest first, and then of the active file, without line breaks. */
  lines: string[];
  /** Number of `lines` that are in archives. */
  archivedLines: number;
}

/** Decodes the log whose active file is `audit.jsonl` in the directory. */
export async function decodeLog(directory: string): Promise<DecodedLog> {
  const names = Array.from(Deno.readDirSync(directory), ({ name }) => name)
    .filter((name) => /^audit_\d{8}_\d{6}\.jsonl(\.gz(\.tmp)?)?$/.test(name)).sort();
  const archives = names.filter((name) => name.endsWith(".gz"));
  const isArchived = new Set(archives);
  const sealed = names.filter((name) => name.endsWith(".jsonl") && !isArchived.has(`${name}.gz`));
  // The file name of a segment contains the time of its rotation, so sorted names are in the order of time.
  const segments = [...archives, ...sealed].sort();
  const kept = new Set(segments);
  let archivedLines = 0;
  const lines: string[][] = [];
  for (const name of [...segments, "audit.jsonl"]) {
    const ofFile = linesIn(await contentOf(join(directory, name)));
    if (isArchived.has(name)) archivedLines += ofFile.length;
    lines.push(ofFile);
  }
  return {
    archives,
    sealed,
    leftovers: names.filter((name) => !kept.has(name)),
    lines: lines.flat(),
    archivedLines,
  };
}

/** The events in a list of lines, and the lines that are not events. */
export interface Tally {
  /** The numbers `n` of each writer's events, by the writer's name, in the order of the lines. */
  numbers: Map<string, number[]>;
  /** Lines that are not events of the form `{ by, n }`: usually incomplete lines of killed writers. */
  torn: string[];
}

/** Collects the numbers of events `{ by, n }` by writer. */
export function tally(lines: readonly string[]): Tally {
  const numbers = new Map<string, number[]>();
  const torn: string[] = [];
  for (const line of lines) {
    const event = parsed(line);
    if (event === undefined) torn.push(line);
    else numbersOf(numbers, event.by).push(event.n);
  }
  return { numbers, torn };
}

/** Returns the list of the event numbers of a writer; creates the list at the writer's first event. */
function numbersOf(numbers: Map<string, number[]>, by: string): number[] {
  const list = numbers.get(by) ?? [];
  numbers.set(by, list);
  return list;
}

/** Returns the archives that are not exactly one gzip member (one complete gzip file) with a correct checksum. */
export async function brokenArchives(
  directory: string,
  names: readonly string[],
): Promise<string[]> {
  const broken: string[] = [];
  for (const name of names) {
    const stream = new Blob([Deno.readFileSync(join(directory, name))]).stream();
    try {
      await stream.pipeThrough(new DecompressionStream("gzip")).pipeTo(new WritableStream());
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      broken.push(name);
    }
  }
  return broken;
}

/** The newest line of a manifest for each archive. */
export interface ManifestOnDisk {
  lines: ArchiveLine[];
  /** Number of all lines, including those replaced by a later line for the same archive. */
  count: number;
  /** The faults that reading the manifest found. */
  faults: string[];
}

/** Reads the manifest of the log in the directory. If the manifest does not exist, it has no lines. */
export function readManifest(directory: string): ManifestOnDisk {
  const bytes = manifestBytes(directory);
  const manifest = new ManifestLines();
  manifest.take(bytes);
  return {
    lines: [...manifest.byArchive.values()],
    count: manifest.count,
    faults: [
      ...manifest.faults.map(({ line, reason }) => `line ${line}: ${reason}`),
      ...bytes.byteLength > manifest.byteLength ? ["its last line is incomplete"] : [],
    ],
  };
}

function manifestBytes(directory: string): Uint8Array {
  try {
    return Deno.readFileSync(join(directory, "audit.manifest.jsonl"));
  } catch (error) {
    // The manifest does not exist until the first archive is created.
    if (error instanceof Deno.errors.NotFound) return new Uint8Array();
    throw error;
  }
}

async function contentOf(path: string): Promise<string> {
  if (path.endsWith(".gz")) return await gunzippedPart(path);
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    // The last rotation may have left no active file.
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

/** Decodes a gzip file up to its first damaged byte. {@linkcode brokenArchives} reports the damage. */
async function gunzippedPart(path: string): Promise<string> {
  const stream = new Blob([Deno.readFileSync(path)]).stream()
    .pipeThrough(new DecompressionStream("gzip")).pipeThrough(new TextDecoderStream());
  let text = "";
  try {
    for await (const part of stream) text += part;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
  }
  return text;
}

function linesIn(text: string): string[] {
  const lines = text.split("\n");
  // After the last line break follows either nothing, or an incomplete line, which stays in the list.
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

function parsed(line: string): { by: string; n: number } | undefined {
  try {
    const value = JSON.parse(line);
    return typeof value?.by === "string" && typeof value.n === "number" ? value : undefined;
  } catch {
    // The line is not JSON, so the caller counts it as torn (incomplete).
    return undefined;
  }
}
