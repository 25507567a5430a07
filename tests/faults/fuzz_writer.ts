/**
 * Fuzzes the writer. Whatever event a caller logs, the call must resolve or name the invalid field, the file must have
 * one line for each accepted event, and the events before and after must be intact.
 *
 * @module
 */
import fc from "fast-check";
import { isDeepStrictEqual } from "node:util";
import { gunzipSync } from "node:zlib";
import { type AuditLog, openLogOn } from "../../src/audit_log.ts";
import { messageOf } from "../../src/errors.ts";
import type { AuditEvent, EventFields } from "../../src/event.ts";
import type { FileSystem } from "../../src/platform/file_system.ts";
import { FILES } from "./fuzz_directory.ts";
import { NOW_MS } from "./fuzz_questions.ts";
import { anyFuzz, checkUnpolluted, type Fuzz, harnessOf, limitCalls } from "./fuzz_run.ts";
import type { Maker } from "./fuzz_hostile.ts";
import { type FuzzedEvent, fuzzedEvent } from "./fuzz_values.ts";
import { checkRecord, checkRefusal } from "./fuzz_verdicts.ts";
import { type Harness, Violation } from "./harness.ts";
import { SimulatedDisk } from "./simulated_disk.ts";
import { silent } from "../loggers.ts";
import { SimulatedClock } from "../platform.ts";

/** The events to log in one log, each between two valid events. */
export interface FuzzedWriting {
  readonly makers: readonly Maker<FuzzedEvent>[];
  readonly rotationSizeBytes: number;
}

/** The methods of a log that are fuzzed. */
export type Writer = Pick<AuditLog, "log" | "query" | "recovery" | "close">;

/** A function that opens the log under test: the real log, or one with a planted fault. */
export type WriterOpener = (fileSystem: FileSystem, rotationSizeBytes: number) => Promise<Writer>;

/** Number of fuzzed events that are logged in one log. */
const EVENTS = 20;
const MAX_LINE_BYTES = 50_000;

/** Opens a log for fuzzed events. */
export const openWriter: WriterOpener = (fileSystem, rotationSizeBytes) =>
  openLogOn({ fileSystem, clock: new SimulatedClock() }, {
    path: FILES.active,
    sessionId: "own",
    rotationSizeBytes,
    maxLineBytes: MAX_LINE_BYTES,
    now: () => NOW_MS,
    logger: silent,
  });

/** Returns a fuzzer that logs events of all kinds. */
export function fuzzEvents(open: WriterOpener = openWriter): Fuzz<FuzzedWriting> {
  return {
    name: "logging events",
    inputs: fc.record({
      makers: fc.array(fuzzedEvent, { minLength: EVENTS, maxLength: EVENTS }),
      rotationSizeBytes: fc.constantFrom(1_500, 5_000, 20_000, 1_000_000),
    }, { noNullPrototype: true }),
    casesPerInput: EVENTS,
    cases: 14_000,
    check: (input) => checkWriting(input, open),
    // The smallest failing input contains mostly the same minimal event, so equal descriptions are shown once.
    describe: ({ makers, rotationSizeBytes }) =>
      [...new Set(makers.map((make) => describeEvent(make()))), `rotation at ${rotationSizeBytes}`]
        .join("\n"),
  };
}

async function checkWriting(
  { makers, rotationSizeBytes }: FuzzedWriting,
  open: WriterOpener,
): Promise<void> {
  const events = makers.map((make) => make());
  const disk = new SimulatedDisk();
  const process = limitCalls(disk.process());
  const log = await open(process, rotationSizeBytes);
  let outcomes: PromiseSettledResult<void>[];
  let found: AuditEvent[];
  try {
    outcomes = await logged(log, events);
    found = await log.query().toArray();
  } finally {
    await log.close();
  }
  const records = linesOf(disk).map(recordOf);
  checkRecords(records, events, outcomes);
  const isRead = found.length === records.length &&
    found.every((event, index) => isDeepStrictEqual(event, records[index]));
  if (!isRead) throw new Violation("other", "query() differs from the files");
  if (process.openHandles > 0) throw new Violation("other", "files were left open");
  checkUnpolluted();
}

/** Logs each event between two valid events, all events in one event-loop turn. */
async function logged(
  log: Writer,
  events: readonly FuzzedEvent[],
): Promise<PromiseSettledResult<void>[]> {
  const calls = [log.log("nav", { neighbour: 0 })];
  for (const [index, { type, fields }] of events.entries()) {
    calls.push(logNow(log, type as string, fields as EventFields));
    calls.push(log.log("nav", { neighbour: index + 1 }));
  }
  return await Promise.allSettled(calls);
}

function logNow(log: Writer, type: string, fields: EventFields): Promise<void> {
  try {
    return log.log(type, fields);
  } catch (error) {
    const message = `log() throws instead of rejecting: ${messageOf(error)}`;
    return Promise.reject(new Violation("other", message));
  }
}

/** Returns the lines of all files, oldest first. */
function linesOf(disk: SimulatedDisk): string[] {
  const { directory } = FILES;
  const names = disk.process().list(directory);
  const segments = names.filter((name) => {
    const form = FILES.parse(name)?.form;
    return form === "sealed" || form === "archive";
  }).sort();
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const texts = [...segments.map((name) => `${directory}/${name}`), FILES.active].map((path) => {
    if (disk.process().status(path) === null) return "";
    const bytes = disk.readFile(path);
    return decoder.decode(path.endsWith(".gz") ? gunzipSync(bytes) : bytes);
  });
  const text = texts.join("");
  if (text === "") return [];
  if (!text.endsWith("\n")) throw new Violation("torn", "the last line has no line break");
  return text.slice(0, -1).split("\n");
}

function recordOf(line: string): Record<string, unknown> {
  let record: unknown;
  try {
    record = JSON.parse(line);
  } catch {
    throw new Violation("torn", `a line is not JSON: ${JSON.stringify(line.slice(0, 500))}`);
  }
  const isObject = typeof record === "object" && record !== null && !Array.isArray(record);
  if (!isObject) throw new Violation("torn", `a line is not an object: ${line.slice(0, 500)}`);
  return record as Record<string, unknown>;
}

/** Compares each record with the event that it must contain. */
function checkRecords(
  records: readonly Record<string, unknown>[],
  events: readonly FuzzedEvent[],
  outcomes: readonly PromiseSettledResult<void>[],
): void {
  const left = [...records];
  for (const [index, outcome] of outcomes.entries()) {
    const event = index % 2 === 1 ? events[(index - 1) / 2]! : neighbour(index / 2);
    try {
      if (outcome.status === "rejected") checkRefusal(event, outcome.reason, MAX_LINE_BYTES);
      else checkAccepted(event, left.shift());
    } catch (error) {
      throw withEvent(error, event);
    }
  }
  if (left.length > 0) throw new Violation("doubled", `${left.length} surplus lines`);
}

function neighbour(number: number): FuzzedEvent {
  return { type: "nav", fields: { neighbour: number } };
}

function checkAccepted(event: FuzzedEvent, record: Record<string, unknown> | undefined): void {
  if (record === undefined) throw new Violation("lost", "fewer lines than accepted events");
  if (record.ts !== new Date(NOW_MS).toISOString()) {
    throw new Violation("other", `its ts is ${JSON.stringify(record.ts)}`);
  }
  if (typeof record.session_id !== "string") throw new Violation("lost", "it has no session_id");
  checkRecord(event, record);
}

/** Returns the error with a description of the event that caused it. */
function withEvent(error: unknown, event: FuzzedEvent): unknown {
  if (!(error instanceof Violation)) return error;
  return new Violation(error.kind, `${error.message}, of ${describeEvent(event)}`);
}

function describeEvent({ type, fields }: FuzzedEvent): string {
  try {
    return Deno.inspect({ type, fields }, { depth: 4, iterableLimit: 20, strAbbreviateSize: 200 });
  } catch {
    // The event throws when it is inspected, so it cannot be shown. The seed and path of the finding create it again.
    return "an event that cannot be inspected";
  }
}

/** The harness that fuzzes logging. */
export const fuzzWriter: Harness = harnessOf("writer fuzzing", [anyFuzz(fuzzEvents())]);
