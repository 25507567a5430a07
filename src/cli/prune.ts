/**
 * `scout prune`: removes the oldest archives of a log until the remaining ones are within the limits.
 *
 * @module
 */
import { merge, object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, optional } from "@optique/core/modifiers";
import type { Parser } from "@optique/core/parser";
import { command, option } from "@optique/core/primitives";
import { systemClock } from "../platform/clock.ts";
import { denoFileSystem } from "../platform/deno_file_system.ts";
import { Turns } from "../platform/turns.ts";
import type { RetentionPolicy } from "../options/log_options.ts";
import type { PruneReason } from "../segments/manifest_line.ts";
import { LogDirectory } from "../segments/log_directory.ts";
import { ManifestReader } from "../segments/manifest_reader.ts";
import { ownArchives } from "../segments/retention.ts";
import { dueArchives } from "../segments/retention_policy.ts";
import { openToChange, type Run, withLog } from "./command.ts";
import { CommandError } from "./command_error.ts";
import { countOf, type LogOptions, logOptions, valueOf } from "./options.ts";
import { counted, shownBytes, shownText } from "../shown.ts";
import type { Output } from "./terminal.ts";
import { parseDuration } from "./when.ts";

interface PruneCommandOptions extends LogOptions {
  readonly maxArchives: number | undefined;
  readonly maxBytes: number | undefined;
  readonly maxAgeMs: number | undefined;
  readonly dryRun: boolean;
}

/** The `scout prune` command. */
export const pruneCommand: Parser<"sync", Run, unknown> = command(
  "prune",
  map(
    merge(
      object("Limits", {
        maxArchives: optional(option("--max-archives", countOf("N", { min: 1 }), {
          description: message`Keep at most N archives`,
        })),
        maxBytes: optional(option("--max-bytes", valueOf("SIZE", parseSize, 0), {
          description: message`Keep archives of at most SIZE in total: 500MB, 2GiB`,
        })),
        maxAgeMs: optional(option("--max-age", valueOf("DURATION", parseDuration, 0), {
          description: message`Keep archives with events of the last DURATION: 12h, 30d, 4w`,
        })),
        dryRun: option("--dry-run", {
          description: message`Show what would be removed, but remove nothing`,
        }),
      }),
      logOptions,
    ),
    (options): Run => (output) => runPrune(options, output),
  ),
  {
    brief: message`Removes the oldest archives until the limits hold`,
    description:
      message`Keeps the newest archive unless --max-age is exceeded, and keeps every file that this library did not create. Does not wait until archives are shipped. Each removal is recorded in the manifest first, so that verify does not report it as a fault. Needs --allow-write for the directory of the log, except with --dry-run.`,
    footer: message`Example: scout prune logs --max-age 30d --max-bytes 2GB --dry-run`,
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
  if (!Number.isSafeInteger(bytes)) throw new RangeError("not a size; use 1000000, 500MB or 2GiB");
  return bytes;
}

type PrunableArchive = { readonly name: string; readonly gzip_bytes: number };

/** An archive that exceeds a limit, so that it is removed, and the limit that it exceeds. */
interface Pruned {
  readonly archive: string;
  readonly bytes: number;
  readonly reason: PruneReason;
}

async function runPrune(options: PruneCommandOptions, output: Output): Promise<number> {
  const { dryRun, json } = options;
  const retention = retentionOf(options);
  const path = await withLog(options, (reader) => Promise.resolve(reader.path));
  const { due, kept } = await dueIn(path, retention);
  const pruned = dryRun ? due : await prune(path, retention, due);
  const bytes = pruned.reduce((sum, { bytes }) => sum + bytes, 0);
  if (json) output.json({ dryRun, bytes, pruned, kept });
  else {
    for (const { archive, bytes, reason } of pruned) {
      output.line(`${shownText(archive)}  ${shownBytes(bytes)}  ${REASONS[reason]}`);
    }
    if (kept !== null) {
      output.line(
        `${shownText(kept.archive)}  kept: the newest archive is removed only because of its age (${
          REASONS[kept.reason]
        })`,
      );
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
  throw new CommandError(
    "Cannot prune: a limit is missing; use --max-archives, --max-bytes or --max-age",
    2,
  );
}

/**
 * Resolves with the archives to remove, as `due`. The newest archive is removed if it is too old, but never because of
 * the number or the total size of the archives. If it exceeds a limit on the number or the size, `kept` is the newest
 * archive, so that the output can mention it; otherwise `kept` is null.
 */
async function dueIn(
  path: string,
  retention: RetentionPolicy,
): Promise<{ readonly due: Pruned[]; readonly kept: Pruned | null }> {
  const log = new LogDirectory(denoFileSystem, path);
  const own = await ownArchives(log, new ManifestReader(log).read(), new Turns(systemClock));
  const nowMs = Date.now();
  const due = dueArchives(own, retention, nowMs).map(prunedOf);
  const newest = own.at(-1);
  if (newest === undefined || due.length === own.length) return { due, kept: null };
  // dueArchives() checks the newest archive only for its age. So an empty archive is added as the newest one, and the
  // real newest archive is checked for all limits. The limit on the number is raised by 1, because of the added
  // archive.
  const { maxArchives = Infinity, ...limits } = retention;
  const judged = [...own, { ...newest, gzip_bytes: 0 }];
  const over = dueArchives(judged, { ...limits, maxArchives: maxArchives + 1 }, nowMs);
  return { due, kept: over.length === own.length ? prunedOf(over.at(-1)!) : null };
}

function prunedOf(
  { archive, reason }: { readonly archive: PrunableArchive; readonly reason: PruneReason },
): Pruned {
  return { archive: archive.name, bytes: archive.gzip_bytes, reason };
}

/**
 * Opens the log with the retention policy, so that the log itself removes the archives that exceed a limit. Resolves
 * with the archives in `due` that were removed.
 */
async function prune(
  path: string,
  retention: RetentionPolicy,
  due: readonly Pruned[],
): Promise<Pruned[]> {
  await using log = await openToChange({ path, retention, rotationAgeSec: Infinity });
  const { pruned } = await log.recovery;
  return due.filter(({ archive }) => pruned.includes(archive));
}
