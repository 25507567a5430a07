/**
 * The rules of the public API, tested on every function that takes options. An unknown option is rejected, and
 * the error suggests the nearest known name. A value of the wrong type is rejected, and the error names the option and
 * the value.
 *
 * @module
 */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  accuracyMetrics,
  AuditClosedError,
  type AuditEvent,
  AuditEventError,
  AuditLog,
  type AuditLogOptions,
  AuditReader,
  FsyncSink,
  gateMetrics,
  hourlySpend,
  LineBufferStream,
  SerializeStream,
} from "@vivarium/scout";
import {
  createFleetStream,
  type FleetConnection,
  fleetEvents,
  type FleetFollowConnection,
  fleetSpend,
  fleetStatus,
  ship,
} from "@vivarium/scout/fleet";
import { renderReport, serveReport } from "@vivarium/scout/report";
import { toFileUrl } from "@std/path";
import { pathFlag } from "../src/errors.ts";
import { systemClock } from "../src/platform/clock.ts";
import { gathering, silent } from "./loggers.ts";
import { runProgram } from "./run_program.ts";
import { linesOf, tempDir } from "./temp_dir.ts";

using dir = tempDir();
const path = dir.path("audit.jsonl");
const reader = await AuditReader.open({ path, logger: silent });
const events = () => ReadableStream.from<{ event: string }>([]);
/** A connection that throws on any use, because options must be checked before the first request. */
const connection = new Proxy({}, {
  get(_, name) {
    throw new Error(`The connection was used: ${String(name)}`);
  },
}) as FleetConnection & FleetFollowConnection;
const fleet = { connection, fleet: "f" };

Deno.test("Functions that take events reject a path, null and an object that is not iterable", async () => {
  const functions = {
    accuracyMetrics: (events: unknown) => accuracyMetrics(events as AsyncIterable<AuditEvent>),
    gateMetrics: (events: unknown) => gateMetrics(events as AsyncIterable<AuditEvent>),
    hourlySpend: (events: unknown) => hourlySpend(events as AsyncIterable<AuditEvent>),
    renderReport: (events: unknown) => renderReport(events as AsyncIterable<AuditEvent>),
  };
  for (const [name, run] of Object.entries(functions)) {
    for (const wrong of ["audit.jsonl", null, 5, {}]) {
      const error = await assertRejects(async () => await run(wrong), TypeError, undefined, name);
      assertStringIncludes(
        error.message,
        "must be an iterable of events, such as log.query(), got",
      );
    }
    await run([]);
  }
});

/** A public function with options, its required options, and a value of the wrong type for each option. */
interface Taker {
  readonly call: (options: Record<string, unknown>) => unknown;
  readonly wrong: Readonly<Record<string, unknown>>;
}

const LOG_WRONG = {
  sessionId: 5,
  rotationSizeBytes: "10",
  fsyncEveryNLines: "10",
  fsyncIntervalSec: "1",
  lockTimeoutSec: "1",
  maxPendingBytes: "1",
  maxLineBytes: "1",
  now: 5,
  logger: "console",
  retention: 5,
  redact: 5,
  chain: "yes",
};
const FILTER_WRONG = { since: "now", eventType: 5, sessionId: 5, where: "n > 1", signal: "abort" };
const REPORT_WRONG = {
  since: "now",
  until: "now",
  timeZone: 5,
  title: 5,
  budgetPerHour: "5",
  signal: "abort",
};

const TAKERS: Readonly<Record<string, Taker>> = {
  "AuditLog.open": {
    call: (options) => AuditLog.open({ path, ...options }),
    wrong: { path: 5, ...LOG_WRONG },
  },
  "AuditReader.open": {
    call: (options) => AuditReader.open({ path, ...options }),
    wrong: { path: 5, ...LOG_WRONG },
  },
  "FsyncSink.open": {
    call: (options) => FsyncSink.open({ path, ...options }),
    wrong:
      (({ sessionId: _1, maxPendingBytes: _2, retention: _3, redact: _4, chain: _5, ...rest }) => ({
        path: 5,
        ...rest,
      }))(LOG_WRONG),
  },
  "new SerializeStream": {
    call: (options) => new SerializeStream(options),
    wrong: { sessionId: 5, maxLineBytes: "1", now: 5, redact: 5 },
  },
  "new LineBufferStream": {
    call: (options) => new LineBufferStream(options),
    wrong: { maxPendingBytes: "1" },
  },
  "query": {
    call: (options) => reader.query(options),
    wrong: { ...FILTER_WRONG, until: "now", order: 5, limit: "5" },
  },
  "follow": {
    call: (options) => reader.follow(options),
    wrong: { ...FILTER_WRONG, last: "5" },
  },
  "lastEvents": { call: (options) => reader.lastEvents(1, options), wrong: { eventType: 5 } },
  "gateMetrics (method)": {
    call: (options) => reader.gateMetrics(options),
    wrong: { since: "now", lastN: "5" },
  },
  "verify": {
    call: (options) => reader.verify(options),
    wrong: { anchor: 5, signal: "abort", onProgress: 5 },
  },
  "gateMetrics": { call: (options) => gateMetrics(events(), options), wrong: { lastN: "5" } },
  "hourlySpend": {
    call: (options) => hourlySpend(events(), options),
    wrong: { hours: "1", now: 5 },
  },
  "renderReport": { call: (options) => renderReport(reader, options), wrong: REPORT_WRONG },
  "serveReport": {
    call: (options) => serveReport(reader, options),
    wrong: { ...REPORT_WRONG, hostname: 5, port: "80", token: 5, allowHosts: "a" },
  },
  "ship": {
    call: (options) => ship({ ...fleet, log: "a", path, ...options }),
    wrong: {
      fleet: 5,
      log: 5,
      path: 5,
      stream: 5,
      once: 1,
      encoding: 5,
      blockBytes: "1",
      intervalSec: "1",
      timeoutSec: "1",
      onProgress: 5,
      logger: 5,
      signal: "abort",
    },
  },
  "fleetEvents": {
    call: (options) => fleetEvents({ ...fleet, ...options }),
    wrong: { ...FILTER_WRONG, until: "now", fleet: 5, log: 5, stream: 5, follow: 1, last: "5" },
  },
  "fleetSpend": {
    call: (options) => fleetSpend({ ...fleet, ...options }),
    wrong: { fleet: 5, log: 5, stream: 5, maxHours: "1", now: 5, onChange: 5 },
  },
  "fleetStatus": {
    call: (options) => fleetStatus({ ...fleet, ...options }),
    wrong: { fleet: 5, log: 5, stream: 5, since: "now", signal: "abort" },
  },
  "createFleetStream": {
    call: (options) => createFleetStream({ connection, ...options }),
    wrong: { stream: 5, replicas: "1", maxBytes: "1", maxAgeSec: "1" },
  },
};

/** Returns the error that a call throws or rejects with. */
async function errorOf(call: () => unknown): Promise<Error> {
  return await assertRejects(() => Promise.try(call) as Promise<unknown>, Error);
}

for (const [name, { call, wrong }] of Object.entries(TAKERS)) {
  Deno.test(`${name}() rejects an unknown option, even if it is undefined, and suggests a known option`, async () => {
    for (const option of Object.keys(wrong)) {
      for (const value of [1, undefined]) {
        const mistyped = `${option}x`;
        const error = await errorOf(() => call({ [mistyped]: value }));
        assert(error instanceof TypeError, error.message);
        assertStringIncludes(error.message, `unknown option "${mistyped}"; did you mean "`);
      }
    }
  });

  Deno.test(`${name}() rejects an option of the wrong type, and names the option and its value`, async () => {
    for (const [option, value] of Object.entries(wrong)) {
      const error = await errorOf(() => call({ [option]: value }));
      assertStringIncludes(error.message, option);
      assertStringIncludes(error.message, String(value));
      assert(error instanceof TypeError || error instanceof RangeError, error.message);
    }
  });
}

Deno.test("AuditLog.open() suggests the intended option for likely mistakes", async () => {
  for (
    const [options, meant] of [
      [{ rotateSize: 1000 }, "rotationSizeBytes"],
      [{ retention: { archivesMax: 5 } }, "retention.maxArchives"],
      [{ fsyncEvery: 1 }, "fsyncEveryNLines"],
      [{ maxLine: 1 }, "maxLineBytes"],
    ] as const
  ) {
    const open = () => AuditLog.open({ path, ...options } as AuditLogOptions);
    assertStringIncludes((await assertRejects(open, TypeError)).message, `did you mean "${meant}"`);
  }
});

Deno.test("AuditLog.open() and AuditReader.open() accept a path, a file: URL, and a file: URL as text", async () => {
  using dir = tempDir();
  for (
    const [index, spell] of [String, toFileUrl, (path: string) => toFileUrl(path).href].entries()
  ) {
    const path = dir.path(`a b${index}.jsonl`);
    await using log = await AuditLog.open(spell(path));
    await log.log("nav");
    assertEquals([log.path, linesOf(path).length], [path, 1]);
    await using reader = await AuditReader.open(spell(path));
    assertEquals((await reader.lastEvents()).length, 1);
  }
  for (const path of ["https://example.com/a.jsonl", "s3://bucket/a.jsonl", new URL("data:,x")]) {
    await assertRejects(() => AuditLog.open(path), TypeError, "a file path or a file: URL, got");
  }
  await using odd = await AuditLog.open(dir.path("a:b.jsonl"));
  assertEquals(odd.path, dir.path("a:b.jsonl"));
});

Deno.test("AuditLog.open() and AuditReader.open() reject a directory as the path", async () => {
  using dir = tempDir();
  const logs = dir.path("logs");
  Deno.mkdirSync(logs);
  for (const open of [AuditLog.open, AuditReader.open]) {
    const { message } = await assertRejects(() => open(logs), TypeError);
    assertEquals(
      message,
      `Cannot open audit log: the path must not be a directory, got ${logs}; use ${logs}/audit.jsonl`,
    );
  }
  const program = new URL("./programs/opens.ts", import.meta.url).pathname;
  const flags = [`--allow-read=${logs}`, `--allow-write=${logs}`];
  const { stdout } = await runProgram(program, { dir: logs, args: [logs], flags });
  assertStringIncludes(stdout, "the path must not be a directory");
});

interface Step {
  agent: string;
  cost: number;
}

class Move implements Step {
  readonly #secret = "hidden";
  agent = "mapper";
  cost = 0.25;
  depth: number | undefined = undefined;
  toJSON() {
    return { replaced: this.#secret };
  }
}

Deno.test("AuditLog.log() logs the own enumerable properties of interfaces and class instances", async () => {
  using dir = tempDir();
  await using log = await AuditLog.open({
    path: dir.path("a.jsonl"),
    sessionId: "s",
    now: () => 0,
  });
  const step: Step = { agent: "critic", cost: 0.5 };
  await log.log("nav", step);
  await log.log("nav", new Move());
  await log.log("nav", Object.assign(Object.create(null), { cost: 1 }));
  await log.log("nav", Object.freeze({ cost: null, model: undefined }));
  const rests = linesOf(log.path).map((line) => line.replace(/^.*"session_id":"s"/, ""));
  assertEquals(rests, [
    ',"cost":0.5,"agent":"critic"}',
    ',"cost":0.25,"agent":"mapper"}',
    ',"cost":1}',
    "}",
  ]);
  // @ts-expect-error: A known field of the wrong type is also a compile-time error.
  const wrong = () => log.log("nav", { cost: "much" });
  await assertRejects(
    wrong,
    AuditEventError,
    '"cost" must be a finite number >= 0 (USD), got "much"',
  );
});

Deno.test("AuditLog.log() rejects fields that are not a plain record, and names their kind", async () => {
  using dir = tempDir();
  await using log = await AuditLog.open({ path: dir.path("a.jsonl"), logger: silent });
  for (
    const [fields, what] of [
      [[1], "an array"],
      [new Error("x"), "an Error; log it as a field: { error }"],
      [new TypeError("x"), "an Error"],
      [new Map([["cost", 1]]), "a Map"],
      [new Set([1]), "a Set"],
      [new Date(0), "a Date"],
      [Promise.resolve(), "a Promise"],
      [new Uint8Array(2), "a typed array"],
      [new DataView(new ArrayBuffer(2)), "a typed array"],
      [new ArrayBuffer(2), "an ArrayBuffer"],
      [() => {}, "a function"],
      ["text", '"text"'],
      [5, "5"],
      [null, "null"],
    ] as const
  ) {
    const { message } = await assertRejects(
      () => log.log("nav", fields as object),
      AuditEventError,
      "its fields must be an object with named members, got ",
    );
    assertStringIncludes(message, `got ${what}`);
  }
  assertEquals(linesOf(log.path), []);
});

Deno.test("AuditLog warns once about a confidence between 0 and 1, because the scale is 0 to 100", async () => {
  using dir = tempDir();
  const { logger, warnings } = gathering();
  await using log = await AuditLog.open({ path: dir.path("a.jsonl"), logger });
  for (const confidence of [0, 1, 90, 100]) await log.log("nav", { confidence });
  assertEquals(warnings, []);
  for (const confidence of [0.9, 0.5]) await log.log("nav", { confidence });
  assertEquals(warnings.length, 1);
  assertStringIncludes(warnings[0]!, '"confidence" with the value 0.9, which means 0.9 %');
  assertEquals((await log.lastEvents(2)).map(({ confidence }) => confidence), [0.9, 0.5]);
});

Deno.test("AuditLog.log() warns once for each name that was likely meant to be a known field", async () => {
  const { logger, warnings } = gathering();
  using dir = tempDir();
  await using log = await AuditLog.open({ path: dir.path("audit.jsonl"), logger });
  for (let n = 0; n < 3; n++) await log.log("nav", { costs: 0.1, input_tokens: 5, tokens: 1 });
  await log.log("nav", { cost: 0.1, costUsd: 0.1, price: 7, session: 3 });
  assertEquals(warnings.length, 2);
  assertStringIncludes(
    warnings[0]!,
    'the field "costs", which no metric reads. If it means "cost"',
  );
  assertStringIncludes(warnings[1]!, 'the field "input_tokens", which no metric reads');
  const [event] = await log.lastEvents(1, { eventType: "nav" });
  assertEquals([event?.costUsd, (await log.query({ limit: 1 }).toArray())[0]?.costs], [0.1, 0.1]);
});

Deno.test("AuditLog prints a rejection after close() only if the caller does not handle it", async () => {
  using dir = tempDir();
  const { logger, errors } = gathering();
  const log = await AuditLog.open({ path: dir.path("a.jsonl"), logger });
  await log.close();
  await assertRejects(() => log.log("nav"), AuditClosedError);
  await log.log("nav").catch(() => {});
  await systemClock.turn();
  assertEquals(errors, []);
  log.log("nav");
  await systemClock.turn();
  assertEquals(errors.length, 1);
  assertStringIncludes(errors[0]!, "the log or its reader is closed");
});

Deno.test("AuditLog.createWritable() creates a new stream at each call", async () => {
  using dir = tempDir();
  await using log = await AuditLog.open(dir.path("a.jsonl"));
  const [a, b] = [log.createWritable(), log.createWritable()];
  assert(a !== b);
  await ReadableStream.from([{ event: "nav", n: 1 }]).pipeTo(a);
  await ReadableStream.from([{ event: "nav", n: 2 }]).pipeTo(b);
  assertEquals((await log.lastEvents()).map(({ n }) => n), [1, 2]);
});

Deno.test("AuditLog.createWritable() rejects the write of an invalid record, and any write after close()", async () => {
  using dir = tempDir();
  const log = await AuditLog.open({ path: dir.path("a.jsonl"), logger: silent });
  const bad = log.createWritable().getWriter();
  await assertRejects(
    () => bad.write({ event: "nav", cost: "x" } as unknown as { event: string }),
    AuditEventError,
    '"cost" must be a finite number >= 0 (USD), got "x"',
  );
  const [before, after] = [log.createWritable().getWriter(), log.createWritable().getWriter()];
  await before.write({ event: "nav" });
  await log.close();
  await assertRejects(() => after.write({ event: "nav" }), AuditClosedError);
  assertEquals(linesOf(log.path).length, 1);
});

Deno.test("AuditLog.open() rejects a path that is undefined, as an unset variable would be", async () => {
  for (const open of [AuditLog.open, AuditReader.open]) {
    // @ts-expect-error: With exactOptionalPropertyTypes, `path: undefined` is also a compile-time error.
    await assertRejects(() => open({ path: undefined }), TypeError, "got undefined");
  }
});

Deno.test("AuditLog.open() adds the action and the path to a system error, and does not change the class of the error", async () => {
  using dir = tempDir();
  Deno.writeTextFileSync(dir.path("plain"), "");
  const below = dir.path("plain/a.jsonl");
  for (const open of [AuditLog.open, AuditReader.open]) {
    const { message } = await assertRejects(() => open(below), Deno.errors.NotADirectory);
    assert(
      message.startsWith("Cannot open audit log: ") && message.endsWith(`: ${below}`),
      message,
    );
  }
});

Deno.test("pathFlag() quotes a path for the shell, and replaces a path that contains a comma by a parent directory without a comma", () => {
  assertEquals(pathFlag("read", "/logs/a-b_c.1"), "--allow-read=/logs/a-b_c.1");
  assertEquals(pathFlag("write", "/my logs"), "'--allow-write=/my logs'");
  assertEquals(pathFlag("read", "/it's"), "'--allow-read=/it'\\''s'");
  assertEquals(pathFlag("read", "/logs/a,b/c"), "--allow-read=/logs");
  assertEquals(pathFlag("read", "/a,b"), "--allow-read=/");
});

Deno.test("AuditLog.createWritable() rejects close() if a record is rejected during close()", async () => {
  using dir = tempDir();
  const path = dir.path("a.jsonl");
  const log = await AuditLog.open({ path, lockTimeoutSec: 0.05, logger: silent });
  using lock = Deno.openSync(`${path}.lock`, { read: true, write: true });
  lock.lockSync(true);
  await assertRejects(
    () => ReadableStream.from([{ event: "a" }, { event: "b" }]).pipeTo(log.createWritable()),
    Error,
    "has held the lock",
  );
  lock.unlockSync();
  await log.close();
  assertEquals(linesOf(path), []);
});

Deno.test("AuditLog.log() checks the fields before it calls redact, and ignores an event among the fields", async () => {
  using dir = tempDir();
  const redact = (record: Record<string, unknown>) => record;
  await using log = await AuditLog.open({ path: dir.path("a.jsonl"), redact, logger: silent });
  for (const fields of [new Error("boom"), new Map([["a", 1]]), [1], Promise.resolve()]) {
    await assertRejects(
      () => log.log("x", fields as object),
      AuditEventError,
      "its fields must be an object",
    );
  }
  await log.log("nav", { event: "other", cost: 1 });
  assertEquals((await log.lastEvents()).map(({ event }) => event), ["nav"]);
});

Deno.test("AuditLog.open() rejects options that are not a record, and invalid file: URLs", async () => {
  for (const options of [Promise.resolve({ path: "a" }), new Map(), new Date(0), new Error("x")]) {
    await assertRejects(
      () => AuditReader.open(options as object),
      TypeError,
      "must be an object, got a",
    );
  }
  for (const path of ["file:///tmp/%ff.jsonl", "file://logs/audit.jsonl"]) {
    await assertRejects(() => AuditReader.open(path), TypeError, "a file path or a file: URL, got");
  }
});

Deno.test("AuditLog.open() accepts retention limits that are inherited properties", async () => {
  using dir = tempDir();
  class Policy {
    get maxArchives() {
      return 1;
    }
  }
  await using log = await AuditLog.open({
    path: dir.path("a.jsonl"),
    retention: new Policy(),
    logger: silent,
  });
  for (let n = 0; n < 3; n++) {
    await log.log("nav", { n });
    await log.rotate();
  }
  const archives = [...Deno.readDirSync(dir.path(""))].filter(({ name }) => name.endsWith(".gz"));
  assertEquals(archives.length, 1);
});
