/**
 * Temporary directories, and helpers that read and compress the files in them.
 *
 * @module
 */
import { join } from "@std/path";

/** A new directory. Disposal removes it with its contents. */
export interface TempDir extends Disposable {
  path(name: string): string;
}

/** Creates a directory for one test, by default in the system's directory for temporary files. */
export function tempDir(parent?: string): TempDir {
  const options = { prefix: "scout_", ...parent === undefined ? {} : { dir: parent } };
  const dir = Deno.realPathSync(Deno.makeTempDirSync(options));
  return {
    path: (name) => join(dir, name),
    [Symbol.dispose]: () => Deno.removeSync(dir, { recursive: true }),
  };
}

/** Returns the lines of a file whose last line is complete. */
export function linesOf(path: string): string[] {
  return Deno.readTextFileSync(path).split("\n").slice(0, -1);
}

/** Returns the text that a gzip file contains. */
export async function gunzipped(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return await new Response(
    new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip")),
  ).text();
}

/** Compresses a text with gzip. */
export async function gzipped(text: string): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
