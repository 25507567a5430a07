/** The functions of `@std/fs` that this project imports; the npm build of the standard library leaves it out. */
import { basename, join } from "../path/mod.ts";

/** Deletes everything in the directory, or creates it where there is none. */
export async function emptyDir(dir: string | URL): Promise<void> {
  const entries = await Array.fromAsync(Deno.readDir(dir)).catch(async (error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    await Deno.mkdir(dir, { recursive: true });
    return [];
  });
  for (const { name } of entries) await Deno.remove(join(dir, name), { recursive: true });
}

/** The members of the options of `walk()` that this project uses. */
export interface WalkOptions {
  maxDepth?: number;
  includeDirs?: boolean;
  includeSymlinks?: boolean;
}

export interface WalkEntry extends Deno.DirEntry {
  path: string;
}

/** Yields the files of a directory and of its subdirectories; does not follow symlinks. */
export async function* walk(
  root: string | URL,
  { maxDepth = Infinity, includeDirs = true, includeSymlinks = true }: WalkOptions = {},
): AsyncIterableIterator<WalkEntry> {
  const path = join(root);
  const { isFile, isDirectory, isSymlink } = await Deno.stat(path);
  if (maxDepth < 0) return;
  if (includeDirs) yield { path, name: basename(path), isFile, isDirectory, isSymlink };
  if (maxDepth < 1) return;
  for await (const entry of Deno.readDir(path)) {
    const inner = join(path, entry.name);
    if (entry.isDirectory) {
      yield* walk(inner, { maxDepth: maxDepth - 1, includeDirs, includeSymlinks });
    } else if (includeSymlinks || !entry.isSymlink) yield { path: inner, ...entry };
  }
}
