/** The functions of `@std/fs` that this project imports; the npm build of the standard library leaves it out. */
import { join } from "../path/mod.ts";

/** Deletes everything in the directory, or creates it where there is none. */
export async function emptyDir(dir: string | URL): Promise<void> {
  const entries = await Array.fromAsync(Deno.readDir(dir)).catch(async (error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    await Deno.mkdir(dir, { recursive: true });
    return [];
  });
  for (const { name } of entries) await Deno.remove(join(dir, name), { recursive: true });
}
