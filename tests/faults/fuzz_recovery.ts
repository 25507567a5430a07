/**
 * Fuzzes recovery. Whatever files the log's directory contains, open() must lose no intact line, the next event must be
 * accepted, and the next open() must find nothing to repair.
 *
 * @module
 */
import fc from "fast-check";
import { type AuditLog, openLogOn } from "../../src/audit_log.ts";
import {
  claimsOf,
  describeDirectory,
  directory,
  diskOf,
  FILES,
  type FuzzedDirectory,
  isManifestTrue,
  isOdd,
  isSameContents,
} from "./fuzz_directory.ts";
import { MAX_LINE_BYTES } from "./fuzz_lines.ts";
import { checkClaims, checkSame, checkSums } from "./fuzz_oracle.ts";
import { NOW_MS } from "./fuzz_questions.ts";
import { checkUnpolluted, type Fuzz, limitCalls } from "./fuzz_run.ts";
import { Violation } from "./harness.ts";
import type { SimulatedDisk, SimulatedProcess } from "./simulated_disk.ts";
import { silent } from "../loggers.ts";
import { SimulatedClock } from "../platform.ts";

/** A directory, and the size in bytes at which the log is rotated. */
export interface FuzzedRecovery {
  readonly directory: FuzzedDirectory;
  readonly rotationSizeBytes: number;
}

/** A function that opens the log under test: the real log, or one with a planted fault. */
export type LogOpener = (process: SimulatedProcess, rotationSizeBytes: number) => Promise<AuditLog>;

/** Opens a fuzzed log for writing. */
export const openLog: LogOpener = (process, rotationSizeBytes) =>
  openLogOn({ fileSystem: process, clock: new SimulatedClock() }, {
    path: FILES.active,
    sessionId: "s",
    rotationSizeBytes,
    maxLineBytes: MAX_LINE_BYTES,
    now: () => NOW_MS,
    logger: silent,
  });

/** Returns a fuzzer of the recovery of directories with any files. */
export function fuzzRecovery(open: LogOpener = openLog): Fuzz<FuzzedRecovery> {
  return {
    name: "recovering a directory",
    inputs: fc.record({ directory, rotationSizeBytes: fc.constantFrom(1, 300, 1_000_000) }),
    casesPerInput: 1,
    cases: 1_000,
    check: (input) => checkRecovery(input, open),
    describe: ({ directory, rotationSizeBytes }) =>
      `${describeDirectory(directory)}\nrotationSizeBytes ${rotationSizeBytes}`,
  };
}

async function checkRecovery(
  { directory, rotationSizeBytes }: FuzzedRecovery,
  open: LogOpener,
): Promise<void> {
  const disk = diskOf(directory);
  const process = limitCalls(disk.process());
  if (isOdd(directory.active) || isOdd(directory.lock)) {
    await checkRefused(() => open(process, rotationSizeBytes));
  } else {
    const log = await open(process, rotationSizeBytes);
    try {
      await checkRecovered(log, directory);
    } finally {
      await log.close();
    }
    await checkNothingLeft(disk, () => open(limitCalls(disk.process()), rotationSizeBytes));
  }
  if (process.openHandles > 0) {
    throw new Violation("other", `${process.openHandles} files were left open`);
  }
  checkUnpolluted();
}

async function checkRefused(open: () => Promise<AuditLog>): Promise<void> {
  try {
    await (await open()).close();
  } catch (error) {
    if (error instanceof TypeError && error.message.includes(FILES.active)) return;
    throw error;
  }
  throw new Violation("other", "open() accepted a path that is not a regular file");
}

async function checkRecovered(log: AuditLog, directory: FuzzedDirectory): Promise<void> {
  const { claims } = claimsOf(directory);
  const next = { ts: new Date(NOW_MS).toISOString(), event: "nav", session_id: "s", fuzzed: true };
  checkClaims(await log.query().toArray(), claims);
  await log.log("nav", { fuzzed: true });
  await log.recovery;
  const after = await log.query().toArray();
  checkClaims(after, [...claims, { path: FILES.active, events: [next], isAll: true }]);
  checkSame(await log.lastEvents(1), [next], "lastEvents(1) after an append");
  await checkSums(log, after, isManifestTrue(directory));
}

/** Checks that opening the log again changes nothing. */
async function checkNothingLeft(disk: SimulatedDisk, open: () => Promise<AuditLog>): Promise<void> {
  const before = disk.snapshot();
  const log = await open();
  const report = await log.recovery;
  await log.close();
  if (isSameContents(disk.snapshot(), before)) return;
  throw new Violation("other", `a second opening changed the disk: ${Deno.inspect(report)}`);
}
