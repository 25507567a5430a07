/**
 * `scout rotate`: seals the active file, so that writers continue in a new one, and waits until the sealed file is
 * archived.
 *
 * @module
 */
import { message } from "@optique/core/message";
import { map } from "@optique/core/modifiers";
import type { Parser } from "@optique/core/parser";
import { command } from "@optique/core/primitives";
import { basename } from "../platform/path.ts";
import { denoFileSystem } from "../platform/deno_file_system.ts";
import { LogDirectory } from "../segments/log_directory.ts";
import { shownText } from "../shown.ts";
import { openToChange, type Run, withLog } from "./command.ts";
import { type LogOptions, logOptions } from "./options.ts";
import type { Output } from "./terminal.ts";

/** The `scout rotate` command. */
export const rotateCommand: Parser<"sync", Run, unknown> = command(
  "rotate",
  map(logOptions, (options): Run => (output) => runRotate(options, output)),
  {
    brief: message`Seals the active file, and waits for its archive`,
    description:
      message`Processes that write to the log continue in a new active file. Needs --allow-write for the directory of the log.`,
    footer: message`Example: scout rotate sim/audit.jsonl`,
  },
);

async function runRotate(options: LogOptions, output: Output): Promise<number> {
  // The log is first opened for reading, because the command must fail if the path is mistyped. Opening the log for
  // writing would create a new log there.
  const path = await withLog(options, (reader) => Promise.resolve(reader.path));
  const before = archivesOf(path);
  {
    await using log = await openToChange({ path });
    await log.rotate();
  }
  const archived = [...archivesOf(path).difference(before)].toSorted();
  if (options.json) output.json({ archived });
  else if (archived.length === 0) output.line("Nothing to archive: the active file is empty");
  else for (const name of archived) output.line(`Archived ${shownText(name)}`);
  await output.flush();
  return 0;
}

/** Returns the file names of the archives of the log at a path. */
function archivesOf(path: string): Set<string> {
  const log = new LogDirectory(denoFileSystem, path);
  const segments = log.segments().filter(({ forms }) => forms.has("archive"));
  return new Set(segments.map(({ stamp }) => basename(log.files.archive(stamp))));
}
