/**
 * The benchmark's measurements of this library with rotation: speed, memory, and delays of the event loop.
 *
 * @module
 */
import { AuditLog, AuditReader } from "@vivarium/scout";
import { openLogOn } from "../../src/audit_log.ts";
import { type Outcome, type Round, timed } from "./contender.ts";
import { fieldsOf, SESSION_ID, turn } from "./event.ts";
import { MemoryGrowth } from "./memory_growth.ts";
import { Witness } from "./witness.ts";

const BURST = 1_000;
/** Types of the events, in turn: every fourth event has the same type, so a query of one type selects a quarter. */
const TYPES = ["nav", "brief", "budget", "skip"] as const;
const HOUR_MS = 3_600_000;

/** Measures the time to write events with rotation until every segment (full file) is archived. */
export async function rotating({ path, events }: Round): Promise<Outcome> {
  const elapsedMs = await timed(() => writeHistory({ path, events, spanMs: 0 }));
  return { elapsedMs };
}

/**
 * Writes events with rotation, like {@linkcode rotating}, but with times spread over a past time span. Measures how
 * much the memory of the process grows.
 */
export async function rotatingMemory(
  { path, events, spanHours, rotationSizeBytes }: Round,
): Promise<Outcome> {
  const memory = new MemoryGrowth();
  const elapsedMs = await timed(() =>
    writeHistory({
      path,
      events,
      spanMs: Number(spanHours) * HOUR_MS,
      rotationSizeBytes: Number(rotationSizeBytes),
      onBurst: () => memory.look(),
    })
  );
  return { elapsedMs, grownBytes: memory.stop() };
}

/** Queries all events, and measures how much the memory of the process grows. */
export async function queryMemory({ path }: Round): Promise<Outcome> {
  await using reader = await AuditReader.open({ path });
  const memory = new MemoryGrowth();
  let events = 0;
  const elapsedMs = await timed(async () => {
    for await (const _ of reader.query()) if (++events % 10_000 === 0) memory.look();
  });
  return { elapsedMs, events, grownBytes: memory.stop() };
}

/**
 * Measures how late a timer of 1 ms fires while archives are written and lines keep coming. The delays show how long
 * archiving blocks the event loop. Returns their 99.9th percentile and maximum in milliseconds.
 */
export async function stalls({ path, seconds, eventsPerMs }: Round): Promise<Outcome> {
  const witness = new Witness();
  const log = await openLogOn(witness.platform, { path, sessionId: SESSION_ID });
  const delays: number[] = [];
  let events = 0;
  const startMs = performance.now();
  for (let lastMs = startMs; lastMs - startMs < Number(seconds) * 1000;) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    const nowMs = performance.now();
    if (witness.isArchiving) delays.push(nowMs - lastMs - 1);
    for (let n = 0; n < Number(eventsPerMs); n++) log.log("nav", fieldsOf(events++));
    lastMs = nowMs;
  }
  await log.close();
  delays.sort((a, b) => a - b);
  return {
    elapsedMs: performance.now() - startMs,
    events,
    samples: delays.length,
    p999Ms: delays[Math.floor(delays.length * 0.999)] ?? NaN,
    maxMs: delays.at(-1) ?? NaN,
  };
}

interface History {
  readonly path: string;
  readonly events: number;
  /** Time span of the events, up to now, in milliseconds; 0 stamps each event with the current time. */
  readonly spanMs: number;
  readonly rotationSizeBytes?: number;
  readonly onBurst?: () => void;
}

async function writeHistory(
  { path, events, spanMs, rotationSizeBytes = 10 * 1024 * 1024, onBurst }: History,
): Promise<void> {
  const endMs = Date.now();
  let n = 0;
  const now = () => spanMs === 0 ? Date.now() : endMs - spanMs + spanMs * (n / events);
  await using log = await AuditLog.open({ path, sessionId: SESSION_ID, rotationSizeBytes, now });
  let logged = Promise.resolve();
  for (; n < events; n++) {
    logged = log.log(TYPES[n % TYPES.length]!, fieldsOf(n));
    if (n % BURST < BURST - 1) continue;
    await turn();
    // If this loop is faster than the disk, it must wait here, or the events would pile up in memory.
    await logged;
    onBurst?.();
  }
}
