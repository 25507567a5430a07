/**
 * Fuzzes the reader. Whatever files the log's directory contains, the reader must answer, lose no intact line, report
 * damage, change nothing and close every file.
 *
 * @module
 */
import fc from "fast-check";
import { openReaderOn } from "../../src/audit_reader.ts";
import type { AuditEvent } from "../../src/event.ts";
import type { AuditQuery } from "../../src/read/query.ts";
import {
  claimsOf,
  type Contents,
  describeDirectory,
  directory,
  diskOf,
  FILES,
  type FuzzedDirectory,
  isManifestTrue,
  isOdd,
  isSameContents,
  latin1,
} from "./fuzz_directory.ts";
import { type Bytes, lines, MAX_LINE_BYTES } from "./fuzz_lines.ts";
import { checkClaims, checkSame, checkSums } from "./fuzz_oracle.ts";
import { type Answers, checkAnswers, NOW_MS, type Questions, questions } from "./fuzz_questions.ts";
import { fuzzRecovery } from "./fuzz_recovery.ts";
import { anyFuzz, checkUnpolluted, type Fuzz, harnessOf, limitCalls } from "./fuzz_run.ts";
import { type Harness, Violation } from "./harness.ts";
import type { SimulatedDisk, SimulatedProcess } from "./simulated_disk.ts";
import { silent } from "../loggers.ts";
import { SimulatedClock } from "../platform.ts";

/** A function that opens the reader under test: the real reader, or one with a planted fault. */
export type ReaderOpener = (process: SimulatedProcess) => Promise<Answers & AsyncDisposable>;

/** Number of lines in the file of one log, all of which are tested together. */
const LINES = 10;
/** A limit for queries that is larger than the number of events that fit into the files of a fuzzed log. */
const EVENTS_MAX = 100_000;
/** Maximum compression ratio of gzip. It bounds the number of events that an archive can contain. */
const INFLATION_MAX = 1_032;
const BYTES_OF_COUNTED_EVENT_MIN = '{"event":"nav"}\n'.length;
const CHANGING = ["append", "truncate", "rename", "link", "remove", "makeDirectory", "tryLock"];

/** Opens a reader on a fuzzed log. */
export const openReader: ReaderOpener = (process) =>
  openReaderOn({ fileSystem: process, clock: new SimulatedClock() }, {
    path: FILES.active,
    maxLineBytes: MAX_LINE_BYTES,
    now: () => NOW_MS,
    logger: silent,
  });

/** A log and the queries to run on it. */
export interface FuzzedReading {
  readonly directory: FuzzedDirectory;
  readonly questions: Questions;
}

/** Returns a fuzzer of readers on directories with any files. */
export function fuzzDirectories(open: ReaderOpener = openReader): Fuzz<FuzzedReading> {
  return {
    name: "reading a directory",
    inputs: fc.record({ directory, questions }),
    casesPerInput: 1,
    cases: 3_000,
    check: (input) => checkReading(input, open),
    describe: ({ directory, questions }) =>
      `${describeDirectory(directory)}\n${Deno.inspect(questions)}`,
  };
}

/** Returns a fuzzer of readers on one active file. It is the fastest fuzzer, and covers most contents of lines. */
export function fuzzLines(open: ReaderOpener = openReader): Fuzz<[Bytes, Questions]> {
  return {
    name: "reading lines",
    inputs: fc.tuple(lines({ minLength: LINES, maxLength: LINES }), questions),
    casesPerInput: LINES,
    cases: 30_000,
    check: ([active, questions]) => {
      const directory = { active, segments: [], manifest: null, lock: null, strangers: [] };
      return checkReading({ directory, questions }, open);
    },
    describe: ([active, questions]) => `${latin1(active)}\n${Deno.inspect(questions)}`,
  };
}

async function checkReading(
  { directory, questions }: FuzzedReading,
  open: ReaderOpener,
): Promise<void> {
  const disk = diskOf(directory);
  const before = disk.snapshot();
  const process = limitCalls(disk.process());
  if (directory.active === "directory") await checkRefusal(() => open(process));
  else {
    await using reader = await open(process);
    if (isOdd(directory.active)) await checkRefusals(reader);
    else {
      const eventsMax = roomIn(disk, Object.keys(before));
      await checkWhole(reader, { directory, questions, eventsMax });
    }
  }
  if (process.openHandles > 0) {
    throw new Violation("other", `${process.openHandles} files were left open`);
  }
  checkUntouched(disk, before, process);
  checkUnpolluted();
}

/** Checks that every method of the reader rejects, because the path is not a regular file. */
async function checkRefusals(reader: Answers): Promise<void> {
  const asked = [
    () => reader.query().toArray(),
    () => reader.query({ order: "desc" }).toArray(),
    () => reader.lastEvents(),
    () => reader.hourlySpend(),
    () => reader.accuracyMetrics(0),
    () => reader.gateMetrics(),
  ];
  for (const ask of asked) await checkRefusal(ask);
}

async function checkRefusal(ask: () => Promise<unknown>): Promise<void> {
  const outcome = await ask().catch((error) => error);
  if (outcome instanceof TypeError && outcome.message.includes(FILES.active)) return;
  throw new Violation(
    "other",
    `${ask} returned ${Deno.inspect(outcome)} for a path that is not a regular file`,
  );
}

async function checkWhole(
  reader: Answers,
  { directory, questions, eventsMax }: FuzzedReading & { readonly eventsMax: number },
): Promise<void> {
  const { claims, damaged, mayBeDamaged } = claimsOf(directory);
  const forwards = reader.query();
  const events = await collected(forwards);
  checkClaims(events, claims);
  const backwards = reader.query({ order: "desc" });
  checkSame((await collected(backwards)).reverse(), events, "the reverse of the reverse order");
  for (const { damage } of [forwards, backwards]) {
    const reported = new Set(damage.map(({ path }) => path));
    const unreported = damaged.difference(reported);
    if (unreported.size > 0) {
      throw new Violation("other", `did not report damage in ${[...unreported]}`);
    }
    const surplus = reported.difference(damaged).difference(mayBeDamaged);
    if (surplus.size > 0) {
      throw new Violation("other", `reported damage in intact files: ${[...surplus]}`);
    }
  }
  const isCertain = isManifestTrue(directory);
  await checkAnswers(reader, questions, { events, isCertain, eventsMax });
  await checkSums(reader, events, isCertain);
}

async function collected(query: AuditQuery): Promise<AuditEvent[]> {
  const events: AuditEvent[] = [];
  for await (const event of query) {
    if (events.push(event) > EVENTS_MAX) throw new Violation("hung", "the query does not end");
  }
  return events;
}

/** Returns the maximum number of events that the files can contain if they are compressed as much as gzip can. */
function roomIn(disk: SimulatedDisk, paths: readonly string[]): number {
  const bytes = paths.map((path) =>
    disk.readFile(path).byteLength * (path.endsWith(".gz") ? INFLATION_MAX : 1)
  );
  return bytes.reduce((sum, each) => sum + each, 0) / BYTES_OF_COUNTED_EVENT_MIN;
}

function checkUntouched(
  disk: SimulatedDisk,
  before: Contents,
  { calls }: SimulatedProcess,
): void {
  const changes = calls.filter(({ name }) => CHANGING.includes(name));
  if (changes.length > 0) {
    throw new Violation("other", `the reader made forbidden calls: ${Deno.inspect(changes)}`);
  }
  if (!isSameContents(disk.snapshot(), before)) {
    throw new Violation("other", "the reader changed the disk");
  }
}

/** The harness that fuzzes reading and recovery. */
export const fuzzReader: Harness = harnessOf("reader fuzzing", [
  anyFuzz(fuzzLines()),
  anyFuzz(fuzzDirectories()),
  anyFuzz(fuzzRecovery()),
]);
