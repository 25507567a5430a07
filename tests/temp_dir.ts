/**
 * A directory that goes when its test ends.
 *
 * @module
 */
import { join } from "@std/path";

/** A fresh directory, removed with everything in it on disposal. */
export interface TempDir extends Disposable {
  path(name: string): string;
}

/** Makes a directory for one test, in `parent` rather than among the system's if there is one. */
export function tempDir(parent?: string): TempDir {
  const options = { prefix: "scout_", ...parent === undefined ? {} : { dir: parent } };
  const dir = Deno.realPathSync(Deno.makeTempDirSync(options));
  return {
    path: (name) => join(dir, name),
    [Symbol.dispose]: () => Deno.removeSync(dir, { recursive: true }),
  };
}

/** The lines of a file that ends in a line break. */
export function linesOf(path: string): string[] {
  return Deno.readTextFileSync(path).split("\n").slice(0, -1);
}

/** The text that a gzip file holds. */
export async function gunzipped(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return await new Response(
    new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip")),
  ).text();
}

/** The gzip form of a text. */
export async function gzipped(text: string): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
