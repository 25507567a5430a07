/**
 * This library with rotation: how fast, in how much memory, and how smoothly.
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
/** One event in four is of this type. */
const TYPES = ["nav", "brief", "budget", "skip"] as const;
const HOUR_MS = 3_600_000;

/** Writes with rotation until all is archived. */
export async function rotating({ path, events }: Round): Promise<Outcome> {
  const elapsedMs = await timed(() => writeHistory({ path, events, spanMs: 0 }));
  return { elapsedMs };
}

/** As {@linkcode rotating}, over a time that has passed, and watches the memory. */
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

/** Queries everything, and watches the memory. */
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
 * Delays of a timer of a millisecond while archives are made and lines keep coming; the percentile
 * and the longest one, in milliseconds.
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
  /** The time that it spans, up to now; 0 for a history that is made as it happens. */
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
    // Whoever writes more than the disk takes has to wait for it, or it gathers in memory.
    await logged;
    onBurst?.();
  }
}
