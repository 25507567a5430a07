/**
 * The program with which the benchmark measures this library. A {@linkcode Witness} checks that each measured log syncs
 * as often as it promises.
 *
 * @module
 */
import {
  AuditLog,
  type AuditLogger,
  type AuditLogOptions,
  AuditReader,
  spend,
} from "@vivarium/scout";
import { openLogOn } from "../../src/audit_log.ts";
import { type Outcome, takeTurns, timed, type Workloads } from "./contender.ts";
import { type Fields, fieldsOf, SESSION_ID, turn } from "./event.ts";
import { archiveStalls, recoverManifest, writeArchives } from "./many_archives.ts";
import { queryMemory, rotating, rotatingMemory, stalls } from "./scout_rotation.ts";
import { traceFields } from "./trace.ts";
import { Witness } from "./witness.ts";

/** Number of un-awaited calls between two turns of the event loop. */
const BURST = 1_000;

interface Appending {
  readonly witness: Witness;
  readonly log: AuditLog;
}

/**
 * Measures the time to open a log without rotation, do the work, and close the log. Then checks that the lines were
 * durable in time.
 */
async function appending(
  options: AuditLogOptions & { path: string },
  work: (appending: Appending) => Promise<void>,
): Promise<Outcome> {
  const { outcome, verify } = await watched(options, work);
  verify();
  return outcome;
}

/**
 * Measures as {@linkcode appending} does, but leaves the check to the caller: the returned `verify()` checks that the
 * lines were durable in time.
 */
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
  { witness, log }: { witness: Witness; log: AuditLogger },
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

/**
 * Runs `count` producers at the same time, which log pairs of events and await both events of a pair. Reports both
 * events to the witness as acknowledged.
 */
async function pairs(
  { witness }: Appending,
  { count, events }: { count: number; events: number },
  logPair: (fields: Fields) => Promise<void>,
): Promise<void> {
  let acknowledged = 0;
  await Promise.all(Array.from({ length: count }, async () => {
    for (let n = 0; n < events / count; n += 2) {
      await logPair(fieldsOf(n));
      witness.acknowledged(acknowledged += 2);
    }
  }));
}

/** Returns the fields of the n-th event, with the name of an agent. */
function agentOf(n: number): Fields {
  return {
    cost: 0.002,
    model: "medium-model",
    input_t: 1000 + n % 9000,
    output_t: 100 + n % 900,
    ...{ agent: "critic" },
  };
}

/** Returns the fields of the n-th event, with a request that contains a secret. */
function requestOf(n: number): Fields {
  const request = { url: "https://example.com/v1", headers: { authorization: `Bearer ${n}` } };
  return { ...fieldsOf(n), ...{ request } };
}

/** A budget that is too large for any workload to use up. */
const BUDGET = { name: "run", limit: { usd: 1e6 }, hours: 1 };

/** Checks that the lines that this process wrote to a shared log in its last round were durable in time. */
let verifyShared = () => {};

const workloads: Workloads = {
  unawaited: ({ path, events }) =>
    appending({ path }, (appending) => unawaited(appending, events, fieldsOf)),
  chained: ({ path, events }) =>
    appending({ path, chain: true }, (appending) => unawaited(appending, events, fieldsOf)),
  agents: ({ path, events }) =>
    appending({ path }, (appending) => unawaited(appending, events, agentOf)),
  /** Logs the same lines as `agents`, but binds the field `agent` with `child()` instead of passing it to each call. */
  bound: ({ path, events }) =>
    appending({ path }, ({ witness, log }) => {
      return unawaited({ witness, log: log.child({ agent: "critic" }) }, events, fieldsOf);
    }),
  /** Logs the same lines as `spans`, but with `log()` in place of `begin()` and `end()`. */
  pairs: ({ path, events, count }) =>
    appending(
      { path },
      (appending) =>
        pairs(appending, { count: Number(count), events }, async (fields) => {
          const span = crypto.randomUUID();
          const beganMs = performance.now();
          await appending.log.log("llm_call_begin", { model: fields.model, span });
          const duration_ms = Math.round((performance.now() - beganMs) * 1000) / 1000;
          await appending.log.log("llm_call", { ...fields, duration_ms, status: "ok", span });
        }),
    ),
  spans: ({ path, events, count }) =>
    appending(
      { path },
      (appending) =>
        pairs(appending, { count: Number(count), events }, async (fields) => {
          const span = await appending.log.begin("llm_call", { model: fields.model });
          await span.end(fields);
        }),
    ),
  /** One producer logs events, and makes each durable before the next. */
  flushed: ({ path, events }) =>
    appending({ path }, async ({ witness, log }) => {
      for (let n = 0; n < events; n++) {
        await log.log("llm_call", fieldsOf(n));
        await log.flush();
        witness.acknowledged(n + 1);
      }
    }),
  /** One producer makes holds on a budget (reserves amounts), awaits each hold, and never ends any. */
  held: ({ path, events }) =>
    appending({ path }, async ({ witness, log }) => {
      const budget = await log.budget(BUDGET);
      for (let n = 0; n < events; n++) {
        await budget.hold({ usd: 0.002 });
        witness.acknowledged(n + 1);
      }
    }),
  /** Logs the same number of events as `settled`, but without a budget. */
  loggedTwice: ({ path, events, count }) =>
    appending(
      { path },
      (appending) =>
        pairs(appending, { count: Number(count), events }, async (fields) => {
          await appending.log.log("llm_call_begin", { model: fields.model });
          await appending.log.log("llm_call", fields);
        }),
    ),
  settled: ({ path, events, count }) =>
    appending({ path }, async (appending) => {
      const budget = await appending.log.budget(BUDGET);
      await pairs(appending, { count: Number(count), events }, async (fields) => {
        const hold = await budget.hold({ usd: 0.002, fields: { model: fields.model } });
        await hold.settle("llm_call", fields);
      });
    }),
  /**
   * Measures the time until a process has declared a budget and made its first hold (reserved an amount). The log is
   * open already.
   */
  async firstHold({ path }) {
    await using log = await AuditLog.open(path);
    await log.recovery;
    return {
      elapsedMs: await timed(async () => {
        await (await log.budget(BUDGET)).hold({ usd: 0.002 });
      }),
    };
  },
  /**
   * Redacts names that the events do not have, because removing a field would make the line shorter and faster to
   * write.
   */
  redacted: ({ path, events }) =>
    appending(
      { path, redact: ["api_key", "password", "authorization"] },
      (appending) => unawaited(appending, events, fieldsOf),
    ),
  requests: ({ path, events }) =>
    appending({ path }, (appending) => unawaited(appending, events, requestOf)),
  /** Redacts a member of an object in each event, so that the redaction has to search the object. */
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
  /** Other processes append to the same log, so the witness checks only the lines with this process's session ID. */
  async shared({ path, events, sessionId }) {
    const { outcome, verify } = await watched(
      { path, sessionId: String(sessionId) },
      (appending) => unawaited(appending, events, fieldsOf),
    );
    verifyShared = verify;
    return outcome;
  },
  /**
   * Checks that the lines that this process wrote to a shared log were durable in time. Runs after the timed work, so
   * that it does not slow down the other processes that append.
   */
  sharedPromise() {
    verifyShared();
    return {};
  },

  rotating,
  rotatingMemory,
  stalls,
  writeArchives,
  archiveStalls,
  recoverManifest,

  async queryAll({ path }) {
    await using reader = await AuditReader.open({ path });
    let events = 0;
    const elapsedMs = await timed(async () => {
      for await (const _ of reader.query()) events++;
    });
    return { elapsedMs, events };
  },
  async queryArray({ path }) {
    await using reader = await AuditReader.open({ path });
    let events = 0;
    const elapsedMs = await timed(async () => {
      events = (await reader.query().toArray()).length;
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
  /** Measures `hourlySpend()` as the first query of a new reader. */
  async spend({ path, hours }) {
    await using reader = await AuditReader.open({ path });
    let usd = 0;
    const elapsedMs = await timed(async () => {
      usd = await reader.hourlySpend(Number(hours));
    });
    return { elapsedMs, usd };
  },
  /** Measures `spend()` by model as the first query of a new reader. */
  async spendByModel({ path }) {
    await using reader = await AuditReader.open({ path });
    let events = 0;
    const elapsedMs = await timed(async () => {
      const { costs } = await spend(reader, { by: "model" });
      events = costs;
    });
    return { elapsedMs, events };
  },
  async tail({ path, count }) {
    await using reader = await AuditReader.open({ path });
    let events = 0;
    const elapsedMs = await timed(async () => {
      events = (await reader.lastEvents(Number(count))).length;
    });
    return { elapsedMs, events };
  },
  /** Measures `hourlySpend()` after each further event, and returns the median time. */
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
