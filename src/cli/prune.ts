/**
 * `scout prune`: removes the oldest archives of a log, as many as its limits say.
 *
 * @module
 */
import { merge, object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, optional } from "@optique/core/modifiers";
import type { Parser } from "@optique/core/parser";
import { command, option } from "@optique/core/primitives";
import { integer } from "@optique/core/valueparser";
import { AuditLog } from "../audit_log.ts";
import { denoFileSystem } from "../deno_file_system.ts";
import type { RetentionPolicy } from "../options.ts";
import type { PruneReason } from "../segments/manifest_line.ts";
import { ManifestReader } from "../segments/manifest_reader.ts";
import { ownArchives } from "../segments/retention.ts";
import { dueArchives } from "../segments/retention_policy.ts";
import { LogFiles } from "../segments/segment_name.ts";
import { CommandError, opened, type Run, stderrLogger, withLog } from "./command.ts";
import { type LogOptions, logOptions, valueOf } from "./options.ts";
import { counted, shownBytes } from "../shown.ts";
import type { Output } from "./terminal.ts";
import { parseDuration } from "./when.ts";

interface PruneCommandOptions extends LogOptions {
  readonly maxArchives: number | undefined;
  readonly maxBytes: number | undefined;
  readonly maxAgeMs: number | undefined;
  readonly dryRun: boolean;
}

/** The command. */
export const pruneCommand: Parser<"sync", Run, unknown> = command(
  "prune",
  map(
    merge(
      object("What is kept", {
        maxArchives: optional(option("--max-archives", integer({ min: 1, metavar: "N" }), {
          description: message`So many archives at most`,
        })),
        maxBytes: optional(option("--max-bytes", valueOf("SIZE", parseSize, 0), {
          description: message`Archives of so many bytes together at most: 500MB, 2GiB`,
        })),
        maxAgeMs: optional(option("--max-age", valueOf("DURATION", parseDuration, 0), {
          description: message`Archives whose events are no older at most: 12h, 30d, 4w`,
        })),
        dryRun: option("--dry-run", {
          description: message`Tell what would go, and remove nothing`,
        }),
      }),
      logOptions,
    ),
    (options): Run => (output) => runPrune(options, output),
  ),
  {
    brief: message`Removes the oldest archives, as many as the limits say`,
    description:
      message`The newest archive stays, and so does what this library did not make. What goes is told of in the manifest, so that verify knows. Needs --allow-write for the directory of the log, but for --dry-run.`,
    footer: message`Example: scout prune --max-age 30d --max-bytes 2GB --dry-run`,
  },
);

const UNIT_BYTES: Readonly<Record<string, number>> = {
  "": 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

function parseSize(text: string): number {
  const [, count, unit = ""] = /^(\d+(?:\.\d+)?)\s?([A-Za-z]*)$/.exec(text) ?? [];
  const bytes = Math.floor(Number(count) * (UNIT_BYTES[unit] ?? NaN));
  if (!Number.isSafeInteger(bytes)) throw new RangeError("no size such as 1000000, 500MB or 2GiB");
  return bytes;
}

/** An archive that goes. */
interface Pruned {
  readonly archive: string;
  readonly bytes: number;
  readonly reason: PruneReason;
}

async function runPrune(options: PruneCommandOptions, output: Output): Promise<number> {
  const { dryRun, json } = options;
  const retention = retentionOf(options);
  const path = await withLog(options, (reader) => Promise.resolve(reader.path));
  const due = dueIn(path, retention);
  const pruned = dryRun ? due : await prune(path, retention, due);
  const bytes = pruned.reduce((sum, { bytes }) => sum + bytes, 0);
  if (json) output.line(JSON.stringify({ dryRun, bytes, pruned }));
  else {
    for (const { archive, bytes, reason } of pruned) {
      output.line(`${archive}  ${shownBytes(bytes)}  ${REASONS[reason]}`);
    }
    const what = pruned.length === 0 ? "Nothing" : counted(pruned.length, "archive");
    output.line(`${what} ${dryRun ? "would be removed" : "removed"}, ${shownBytes(bytes)}`);
  }
  await output.flush();
  return 0;
}

const REASONS: Readonly<Record<PruneReason, string>> = {
  archives: "too many archives",
  bytes: "too many bytes",
  age: "too old",
};

function retentionOf({ maxArchives, maxBytes, maxAgeMs }: PruneCommandOptions): RetentionPolicy {
  const retention: RetentionPolicy = {
    ...maxArchives === undefined ? {} : { maxArchives },
    ...maxBytes === undefined ? {} : { maxBytes },
    ...maxAgeMs === undefined ? {} : { maxAgeSec: maxAgeMs / 1000 },
  };
  if (Object.keys(retention).length > 0) return retention;
  throw new CommandError("Cannot prune without a limit: --max-archives, --max-bytes, --max-age", 2);
}

function dueIn(path: string, retention: RetentionPolicy): Pruned[] {
  const files = new LogFiles(path);
  const lines = new ManifestReader(denoFileSystem, files.manifest).read();
  const own = ownArchives({ fileSystem: denoFileSystem, files, lines });
  return dueArchives(own, retention, Date.now()).map(({ archive, reason }) => ({
    archive: archive.name,
    bytes: archive.gzip_bytes,
    reason,
  }));
}

/** Has a log of that retention do it; gives what of it went. */
async function prune(
  path: string,
  retention: RetentionPolicy,
  due: readonly Pruned[],
): Promise<Pruned[]> {
  await using log = await opened(() => AuditLog.open({ path, retention, logger: stderrLogger }));
  const { pruned } = await log.recovery;
  return due.filter(({ archive }) => pruned.includes(archive));
}
