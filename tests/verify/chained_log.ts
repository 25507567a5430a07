/**
 * Writes logs with a hash chain on the real disk, and checks changed copies of them on a simulated disk.
 *
 * @module
 */
import { systemClock } from "../../src/platform/clock.ts";
import { basename } from "@std/path";
import { AuditLog, type AuditLogOptions, type ChainHead, type VerifyReport } from "@vivarium/scout";
import { LogDirectory } from "../../src/segments/log_directory.ts";
import { LogFiles } from "../../src/segments/segment_name.ts";
import { verifyLog } from "../../src/verify/verify_log.ts";
import { SimulatedDisk } from "../faults/simulated_disk.ts";
import { tempDir } from "../temp_dir.ts";

const PATH = "/log/audit.jsonl";

/** The paths of the log. */
export const files: LogFiles = new LogFiles(PATH);

/** The content of each file of a log, by its name. */
export type LogContent = ReadonlyMap<string, Uint8Array>;

/** The files of a log, and its chain head (the position and the hash of its last line). */
export interface WrittenLog {
  readonly content: LogContent;
  readonly head: ChainHead;
}

/**
 * Writes a log with a hash chain on the real disk. The log has a file for each entry of `counts`, with that number of
 * events. Resolves with the files and the chain head (the position and the hash of the last line).
 */
export async function writtenLog(
  counts: readonly number[],
  options: AuditLogOptions = { chain: true },
): Promise<WrittenLog> {
  using dir = tempDir();
  const path = dir.path(basename(PATH));
  let nowMs = Date.UTC(2026, 1, 13);
  const now = () => nowMs += 1_000;
  const log = await AuditLog.open({ path, sessionId: "s", now, ...options });
  for (const [index, count] of counts.entries()) {
    for (let n = 0; n < count; n++) await log.log("nav", { cost: n / 1000 });
    if (index < counts.length - 1) await log.rotate();
  }
  const head = await log.head();
  await log.close();
  const names = [...Deno.readDirSync(dir.path(""))].map(({ name }) => name)
    .filter((name) => !name.endsWith(".lock"));
  return {
    content: new Map(names.sort().map((name) => [name, Deno.readFileSync(dir.path(name))])),
    head,
  };
}

/** Runs verify() on a log that consists of these files. */
export function verified(content: LogContent, anchor?: ChainHead): Promise<VerifyReport> {
  const disk = new SimulatedDisk();
  disk.plant(files.directory, "directory");
  for (const [name, bytes] of content) disk.writeFile(`${files.directory}/${name}`, bytes);
  return verifyLog(
    { log: new LogDirectory(disk.process(), PATH), clock: systemClock, maxLineBytes: 10_000 },
    anchor === undefined ? {} : { anchor },
  );
}

/** Returns the content with one file changed, or removed if `bytes` is null. */
export function withFile(content: LogContent, name: string, bytes: Uint8Array | null): LogContent {
  const changed = new Map(content);
  if (bytes === null) changed.delete(name);
  else changed.set(name, bytes);
  return changed;
}

/** Returns the lines of a file, including their line breaks. */
export function splitLines(bytes: Uint8Array): Uint8Array[] {
  const lines: Uint8Array[] = [];
  for (let start = 0; start < bytes.byteLength;) {
    const end = bytes.indexOf(0x0a, start) + 1 || bytes.byteLength;
    lines.push(bytes.subarray(start, end));
    start = end;
  }
  return lines;
}
