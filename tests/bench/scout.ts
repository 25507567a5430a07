/**
 * This library, doing what is measured. Whoever writes is watched by a witness of the promise.
 *
 * @module
 */
import { AuditLog, type AuditLogOptions, AuditReader } from "@vivarium/scout";
import { openLogOn } from "../../src/audit_log.ts";
import { type Outcome, takeTurns, timed, type Workloads } from "./contender.ts";
import { type Fields, fieldsOf, SESSION_ID, turn } from "./event.ts";
import { queryMemory, rotating, rotatingMemory, stalls } from "./scout_rotation.ts";
import { traceFields } from "./trace.ts";
import { Witness } from "./witness.ts";

/** Un-awaited calls between two turns of the event loop. */
const BURST = 1_000;

interface Appending {
  readonly witness: Witness;
  readonly log: AuditLog;
}

/** Times the opening of a log that is not rotated, what is done with it, and the closing. */
async function appending(
  options: AuditLogOptions & { path: string },
  work: (appending: Appending) => Promise<void>,
): Promise<Outcome> {
  const { outcome, verify } = await watched(options, work);
  verify();
  return outcome;
}

/** As {@linkcode appending}, for a caller who has the witness look at the file later. */
async function watched(
  options: AuditLogOptions & { path: string },
  work: (appending: Appending) => Promise<void>,
): Promise<{ outcome: Outcome; verify: () => void }> {
  const witness = new Witness();
  const rotationSizeBytes = Number.MAX_SAFE_INTEGER;
  const elapsedMs = await timed(async () => {
    await using log = await openLogOn(witness.platform, {
      sessionId: SESSION_ID,
      rotationSizeBytes,
      ...options,
    });
    await work({ witness, log });
  });
  const { fsyncEveryNLines: everyNLines = 10, sessionId: mark = SESSION_ID } = options;
  return {
    outcome: { elapsedMs, syncs: witness.syncs },
    verify: () => witness.verify(options.path, { everyNLines, mark }),
  };
}

async function unawaited(
  { witness, log }: Appending,
  events: number,
  fields: (n: number) => Fields,
): Promise<void> {
  for (let n = 0; n < events; n++) {
    const logged = log.log("nav", fields(n));
    if (n % BURST < BURST - 1) continue;
    logged.then(() => witness.acknowledged(n + 1));
    await turn();
  }
}

async function producers(
  { witness, log }: Appending,
  { count, events }: { count: number; events: number },
): Promise<void> {
  let acknowledged = 0;
  await Promise.all(Array.from({ length: count }, async () => {
    for (let n = 0; n < events / count; n++) {
      await log.log("nav", fieldsOf(n));
      witness.acknowledged(++acknowledged);
    }
  }));
}

/** An event that carries a request with a secret. */
function requestOf(n: number): Fields {
  const request = { url: "https://example.com/v1", headers: { authorization: `Bearer ${n}` } };
  return { ...fieldsOf(n), ...{ request } };
}

/** Looks at the file of the last round that was shared. */
let verifyShared = () => {};

const workloads: Workloads = {
  unawaited: ({ path, events }) =>
    appending({ path }, (appending) => unawaited(appending, events, fieldsOf)),
  chained: ({ path, events }) =>
    appending({ path, chain: true }, (appending) => unawaited(appending, events, fieldsOf)),
  /** Names that the events do not have, as a field that is left out would only be faster. */
  redacted: ({ path, events }) =>
    appending(
      { path, redact: ["api_key", "password", "authorization"] },
      (appending) => unawaited(appending, events, fieldsOf),
    ),
  requests: ({ path, events }) =>
    appending({ path }, (appending) => unawaited(appending, events, requestOf)),
  /** What has to be looked through: a field that is an object, and a member of it that is hidden. */
  redactedRequests: ({ path, events }) =>
    appending(
      { path, redact: ["api_key", "request.headers.*"] },
      (appending) => unawaited(appending, events, requestOf),
    ),
  async trace({ path, events, trace }) {
    const fields = traceFields(String(trace));
    return await appending({ path }, (appending) => unawaited(appending, events, fields));
  },
  producers: ({ path, events, count }) =>
    appending({ path }, (appending) => producers(appending, { count: Number(count), events })),
  syncEvery1: ({ path, events, count }) =>
    appending(
      { path, fsyncEveryNLines: 1 },
      (appending) => producers(appending, { count: Number(count), events }),
    ),
  /** Of one log that others append to as well, so that only its own lines are looked for. */
  async shared({ path, events, sessionId }) {
    const { outcome, verify } = await watched(
      { path, sessionId: String(sessionId) },
      (appending) => unawaited(appending, events, fieldsOf),
    );
    verifyShared = verify;
    return outcome;
  },
  /** What the witness says of it, once nobody is at work who could be held up by that. */
  sharedPromise() {
    verifyShared();
    return {};
  },

  rotating,
  rotatingMemory,
  stalls,

  async queryAll({ path }) {
    await using reader = await AuditReader.open({ path });
    let events = 0;
    const elapsedMs = await timed(async () => {
      for await (const _ of reader.query()) events++;
    });
    return { elapsedMs, events };
  },
  async queryType({ path, eventType }) {
    await using reader = await AuditReader.open({ path });
    let events = 0;
    const elapsedMs = await timed(async () => {
      for await (const _ of reader.query({ eventType: String(eventType) })) events++;
    });
    return { elapsedMs, events };
  },
  queryMemory,
  /** The first question to a reader, and the same one again. */
  async spend({ path, hours }) {
    await using reader = await AuditReader.open({ path });
    let usd = 0;
    const elapsedMs = await timed(async () => {
      usd = await reader.hourlySpend(Number(hours));
    });
    return { elapsedMs, usd };
  },
  async tail({ path, count }) {
    await using reader = await AuditReader.open({ path });
    let events = 0;
    const elapsedMs = await timed(async () => {
      events = (await reader.lastEvents(Number(count))).length;
    });
    return { elapsedMs, events };
  },
  /** The same question after one more event, again and again; gives the median. */
  async spendAgain({ path, count }) {
    await using log = await AuditLog.open({ path });
    await log.hourlySpend(1);
    const elapsed: number[] = [];
    for (let n = 0; n < Number(count); n++) {
      await log.log("nav", fieldsOf(n));
      elapsed.push(await timed(() => log.hourlySpend(1)));
    }
    return { elapsedMs: elapsed.toSorted((a, b) => a - b)[elapsed.length >> 1]! };
  },
  async open({ path }) {
    let log!: AuditLog;
    const elapsedMs = await timed(async () => {
      log = await AuditLog.open({ path });
    });
    const { closedTornTail } = await log.recovery;
    await log.close();
    return { elapsedMs, closedTornTail: Number(closedTornTail) };
  },
};

await takeTurns(workloads);
