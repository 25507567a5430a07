/**
 * A program that the benchmark measures, for reports: it renders a report, and runs a plain query on the same events.
 *
 * @module
 */
import { dirname, join } from "@std/path";
import { cpuUsage } from "node:process";
import { gunzipSync } from "node:zlib";
import { AuditLog, AuditReader } from "@vivarium/scout";
import { renderReport } from "@vivarium/scout/report";
import { MAX_LINE_BYTES } from "../../src/options/log_options.ts";
import { contentIn } from "../../src/segments/archive_content.ts";
import { SegmentScan } from "../../src/segments/segment_summary.ts";
import { type Outcome, takeTurns, timed, type Workloads } from "./contender.ts";
import { type Fields, fieldsOf, turn } from "./event.ts";
import { MemoryGrowth } from "./memory_growth.ts";
import { median } from "./row.ts";
import { traceFields } from "./trace.ts";

const BURST = 1_000;
const CHUNK_BYTES = 64 * 1024;
const TYPES = [
  "nav",
  "brief",
  "cascade",
  "validation_fail",
  "gate_compress",
  "gate_escalate",
] as const;
const MODELS = ["small-model", "medium-model", "large-model"] as const;
/** Time between two events in milliseconds. A million events span 35 days. */
const STEP_MS = 3_000;
const EVENTS_PER_SESSION = 100;
const START_MS = Date.UTC(2026, 1, 13);
/** One percent of the events of an archive, so that nearly all events are in archives. */
const ACTIVE_EVENTS = 700;

const encoder = new TextEncoder();

/** The number of events to write, in total, per session and in the active file. */
interface Amount {
  readonly events: number;
  readonly perSession: number;
  /** Number of events in the active file, because the log is rotated before them; null to rotate only full files. */
  readonly activeEvents: number | null;
}

async function write(
  path: string,
  { events, perSession, activeEvents }: Amount,
  fields: (n: number) => Fields,
): Promise<void> {
  let n = 0;
  const now = () => START_MS + n * STEP_MS;
  await using log = await AuditLog.open({ path, now });
  let logged = Promise.resolve();
  const rotateAt = activeEvents === null ? NaN : events - activeEvents;
  for (; n < events; n++) {
    const session_id = `session-${Math.floor(n / perSession)}`;
    if (n === rotateAt) await log.rotate();
    logged = log.log(TYPES[n % TYPES.length]!, { session_id, ...fields(n) });
    if (n % BURST < BURST - 1) continue;
    await turn();
    await logged;
  }
}

/** Returns the number of events that a rendered report states. */
function eventsOn(page: string): number {
  const [, shown = ""] = /<b id="event-count">([\d,]+)</.exec(page) ?? [];
  return Number(shown.replaceAll(",", ""));
}

async function reported(path: string): Promise<Outcome> {
  await using reader = await AuditReader.open({ path });
  let page = "";
  const elapsedMs = await timed(async () => page = await renderReport(reader));
  return { elapsedMs, bytes: encoder.encode(page).byteLength, events: eventsOn(page) };
}

/** Number of times that an archive is summed up with and without a rollup, and how many of the first do not count. */
const [SCANS, WARM_UPS] = [41, 5];

/**
 * Measures the processor time that gathering and encoding a rollup adds to the scan of an archive, in microseconds per
 * event, and the size of all rollups as a share of the size of the archives. The difference of two scans is a fifth of
 * each, so other processes would disturb the time on the clock more than the rollup adds.
 */
async function rollupCosts(path: string): Promise<Outcome> {
  const directory = dirname(path);
  const files = [...Deno.readDirSync(directory)].map(({ name }) => join(directory, name));
  const [archives, rollups] = [".gz", ".rollup"].map((end) => files.filter((f) => f.endsWith(end)));
  const sizeOf = (paths: readonly string[]) =>
    paths.reduce((sum, each) => sum + Deno.statSync(each).size, 0);
  const bytes = gunzipSync(Deno.readFileSync(archives![0]!));
  let events = 0;
  const scan = async (fields?: readonly string[]) => {
    const start = cpuUsage();
    const scan = new SegmentScan(MAX_LINE_BYTES, fields);
    for (let at = 0; at < bytes.byteLength; at += CHUNK_BYTES) {
      scan.add(bytes.subarray(at, at + CHUNK_BYTES));
    }
    events = (await contentIn(scan, fields)).lines;
    const { user, system } = cpuUsage(start);
    return user + system;
  };
  const added: number[] = [];
  for (let n = 0; n < SCANS; n++) {
    const without = await scan();
    const difference = (await scan([]) - without) / events;
    if (n >= WARM_UPS) added.push(difference);
  }
  return { addedUs: median(added), share: sizeOf(rollups!) / sizeOf(archives!), events };
}

const ofModels = (n: number) => ({ ...fieldsOf(n), model: MODELS[n % MODELS.length]! });

const workloads: Workloads = {
  async write({ path, events, trace }) {
    const fields = trace === "" ? ofModels : traceFields(String(trace));
    await write(path, { events, perSession: EVENTS_PER_SESSION, activeEvents: null }, fields);
    return {};
  },
  async writeMonths({ path, events }) {
    await write(path, { events, perSession: 1_000, activeEvents: ACTIVE_EVENTS }, ofModels);
    return {};
  },
  async queryAll({ path }) {
    await using reader = await AuditReader.open({ path });
    let events = 0;
    const elapsedMs = await timed(async () => {
      for await (const _ of reader.query()) events++;
    });
    return { elapsedMs, events };
  },
  report: ({ path }) => reported(path),
  rollups: ({ path }) => rollupCosts(path),
  async reportMemory({ path }) {
    const memory = new MemoryGrowth();
    const outcome = await reported(path);
    return { ...outcome, grownBytes: memory.stop() };
  },
};

await takeTurns(workloads);
