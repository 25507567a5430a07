/**
 * A program that the benchmark measures, for reports: it renders a report, and runs a plain query on the same events.
 *
 * @module
 */
import { AuditLog, AuditReader } from "@vivarium/scout";
import { renderReport } from "@vivarium/scout/report";
import { type Outcome, takeTurns, timed, type Workloads } from "./contender.ts";
import { type Fields, fieldsOf, turn } from "./event.ts";
import { MemoryGrowth } from "./memory_growth.ts";
import { traceFields } from "./trace.ts";

const BURST = 1_000;
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

const encoder = new TextEncoder();

/** The number of events to write, in total, per session and in the active file. */
interface Amount {
  readonly events: number;
  readonly perSession: number;
  /**
   * Share of all events that the active file has, because the log is rotated before them; null to rotate only full
   * files.
   */
  readonly activeShare: number | null;
}

async function write(
  path: string,
  { events, perSession, activeShare }: Amount,
  fields: (n: number) => Fields,
): Promise<void> {
  let n = 0;
  const now = () => START_MS + n * STEP_MS;
  await using log = await AuditLog.open({ path, now });
  let logged = Promise.resolve();
  const rotateAt = activeShare === null ? NaN : Math.floor(events * (1 - activeShare));
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

const ofModels = (n: number) => ({ ...fieldsOf(n), model: MODELS[n % MODELS.length]! });

const workloads: Workloads = {
  async write({ path, events, trace }) {
    const fields = trace === "" ? ofModels : traceFields(String(trace));
    await write(path, { events, perSession: EVENTS_PER_SESSION, activeShare: null }, fields);
    return {};
  },
  async writeMonths({ path, events }) {
    await write(path, { events, perSession: 1_000, activeShare: 0.01 }, ofModels);
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
  async reportMemory({ path }) {
    const memory = new MemoryGrowth();
    const outcome = await reported(path);
    return { ...outcome, grownBytes: memory.stop() };
  },
};

await takeTurns(workloads);
