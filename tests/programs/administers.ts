/**
 * Changes the files of a directory, as an administrator does. The argument is a list of changes in JSON, see {@linkcode
 * Change}. Prints the files after the changes, as a list of {@linkcode Listed} in JSON.
 *
 * @module
 */
import { join } from "@std/path";

/** A change of the directory, or of the file with the name `files`; "*" means all files. */
export interface Change {
  readonly files?: string;
  readonly owner?: { readonly uid?: number; readonly gid?: number };
  readonly mode?: number;
  /** Number of bytes of a line to append. */
  readonly appendBytes?: number;
  readonly remove?: true;
}

/** A file of the directory. */
export interface Listed {
  readonly name: string;
  /** Owner, group and mode, as "uid:gid mode". */
  readonly owner: string;
  readonly text: string;
}

if (import.meta.main) {
  const [directory = "", changes = ""] = Deno.args;
  Deno.mkdirSync(directory, { recursive: true });
  for (const change of JSON.parse(changes)) apply(directory, change);
  console.log(JSON.stringify(listed(directory)));
}

function apply(directory: string, { files, owner, mode, appendBytes, remove }: Change): void {
  const paths = files === undefined
    ? [directory]
    : namesIn(directory).filter((name) => files === "*" || name === files)
      .map((name) => join(directory, name));
  for (const path of paths) {
    if (owner !== undefined) Deno.chownSync(path, owner.uid ?? null, owner.gid ?? null);
    if (mode !== undefined) Deno.chmodSync(path, mode);
    if (appendBytes !== undefined) {
      const line = `{"x":"${"x".repeat(appendBytes)}"}\n`;
      Deno.writeTextFileSync(path, line, { append: true, create: false });
    }
    if (remove) Deno.removeSync(path, { recursive: true });
  }
}

function listed(directory: string): Listed[] {
  return namesIn(directory).map((name) => {
    const path = join(directory, name);
    const { uid, gid, mode } = Deno.lstatSync(path);
    const owner = `${uid}:${gid} ${(mode! & 0o777).toString(8)}`;
    return { name, owner, text: Deno.readTextFileSync(path) };
  });
}

function namesIn(directory: string): string[] {
  try {
    return Array.from(Deno.readDirSync(directory), ({ name }) => name).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
