import { AuditEventError, AuditLog, type AuditLogger } from "@vivarium/scout";
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { openLogOn } from "../src/audit_log.ts";
import { SimulatedDisk } from "./faults/simulated_disk.ts";
import { silent } from "./loggers.ts";
import { SimulatedClock } from "./platform.ts";
import { tempDir } from "./temp_dir.ts";

/** Opens a log on a simulated disk. */
function openLog(options: { redact?: string[]; chain?: boolean } = {}): Promise<AuditLog> {
  const disk = new SimulatedDisk();
  disk.plant("/log", "directory");
  const platform = { fileSystem: disk.process(), clock: new SimulatedClock() };
  const now = () => 0;
  return openLogOn(platform, {
    path: "/log/a.jsonl",
    sessionId: "s",
    logger: silent,
    now,
    ...options,
  });
}

/** Returns the lines of the log without the time at their beginning. */
async function linesOf(log: AuditLog): Promise<string[]> {
  const events = await log.query().toArray();
  return events.map(({ ts: _, ...event }) => JSON.stringify(event));
}

Deno.test("AuditLogger.child() binds fields, which its children and each log() call can override", async () => {
  await using log = await openLog();
  const critic = log.child({ agent: "critic", model: "small", depth: 1 });
  const inner = critic.child({ depth: 2, tool: "search" });
  await log.log("nav");
  await critic.log("nav");
  await critic.log("nav", { model: "large", cost: 0.5, n: 1 });
  await inner.log("nav", { n: 2 });
  assertEquals(await linesOf(log), [
    '{"event":"nav","session_id":"s"}',
    '{"event":"nav","session_id":"s","model":"small","agent":"critic","depth":1}',
    '{"event":"nav","session_id":"s","cost":0.5,"model":"large","agent":"critic","depth":1,"n":1}',
    '{"event":"nav","session_id":"s","model":"small","agent":"critic","depth":2,"tool":"search","n":2}',
  ]);
});

Deno.test("AuditLogger.log() leaves out a bound field that the call sets to undefined or null", async () => {
  await using log = await openLog();
  const child = log.child({ agent: "a", model: "small", files: undefined });
  await child.log("nav", { agent: null, model: undefined });
  assertEquals(await linesOf(log), ['{"event":"nav","session_id":"s"}']);
});

Deno.test("AuditLogger.child() binds a session ID, which a log() call can override, but ignores a bound ts or event", async () => {
  await using log = await openLog();
  const child = log.child({ session_id: "bound", ts: "never", event: "never" });
  await child.log("nav");
  await child.log("nav", { session_id: "own" });
  assertEquals(await linesOf(log), [
    '{"event":"nav","session_id":"bound"}',
    '{"event":"nav","session_id":"own"}',
  ]);
});

Deno.test("AuditLogger.child() copies the fields of a class instance, and ignores toJSON() and later changes", async () => {
  class Agent {
    agent = "critic";
    toJSON() {
      return { agent: "from toJSON" };
    }
  }
  await using log = await openLog();
  const fields = new Agent();
  const child = log.child(fields);
  fields.agent = "changed";
  await child.log("nav");
  assertEquals(await linesOf(log), ['{"event":"nav","session_id":"s","agent":"critic"}']);
});

Deno.test("AuditLogger.child() throws for an invalid field, and names it", async () => {
  await using log = await openLog();
  const cases: [fields: object, message: string][] = [
    [{ cost: "1.5" }, 'the field "cost" must be a finite number >= 0 (USD), got "1.5"'],
    [{ session_id: "" }, 'the field "session_id" must be a non-empty string, got ""'],
    [
      { hold: "x" },
      'the field "hold" must not be set, because it is reserved for budgets, got "x"',
    ],
    [["a"], "its fields must be an object with named members, got an array"],
    [new Error("x"), "its fields must be an object with named members, got an Error"],
  ];
  for (const logger of [log, log.child({ agent: "a" })] as AuditLogger[]) {
    for (const [fields, message] of cases) {
      assertThrows(() => logger.child(fields), AuditEventError, `Cannot log event: ${message}`);
    }
  }
  assertEquals(await linesOf(log), []);
});

Deno.test("AuditLogger.log() of a child rejects the same events as AuditLog.log(), with the same messages", async () => {
  await using log = await openLog({ chain: true });
  const child = log.child({ agent: "a" });
  for (
    const fields of [{ cost: -1 }, ["x"], null, new Map(), { seq: 1 }, { hold: 1 }] as object[]
  ) {
    const own = await assertRejects(() => log.log("nav", fields), AuditEventError);
    const bound = await assertRejects(() => child.log("nav", fields), AuditEventError);
    assertEquals(bound.message, own.message);
  }
  const own = await assertRejects(() => log.log(""), AuditEventError);
  assertEquals((await assertRejects(() => child.log(""), AuditEventError)).message, own.message);
  assertEquals(await linesOf(log), []);
});

Deno.test("AuditLogger.log() of a child stores the error message in place of a field whose getter throws", async () => {
  await using log = await openLog();
  const child = log.child({ agent: "a" });
  const fields = Object.defineProperty({ n: 1 }, "odd", {
    enumerable: true,
    get: () => {
      throw new Error("no");
    },
  });
  await child.log("nav", fields);
  assertEquals(await linesOf(log), [
    '{"event":"nav","session_id":"s","agent":"a","n":1,"odd":"[Throws: no]"}',
  ]);
});

Deno.test("AuditLogger.child() accepts fields named __proto__ and 0, and redacts bound fields", async () => {
  await using log = await openLog({ redact: ["token"] });
  const child = log.child(JSON.parse('{"b":1,"__proto__":{"x":1},"token":"secret"}'));
  await child.log("nav", JSON.parse('{"0":1,"__proto__":2}'));
  await child.log("nav");
  assertEquals(await linesOf(log), [
    '{"0":1,"event":"nav","session_id":"s","b":1,"__proto__":2,"token":"[redacted]"}',
    '{"event":"nav","session_id":"s","b":1,"__proto__":{"x":1},"token":"[redacted]"}',
  ]);
});

Deno.test("AuditLogger.log() and begin() of a child reject after the log was closed", async () => {
  using dir = tempDir();
  const log = await AuditLog.open({ path: dir.path("a.jsonl"), logger: silent });
  const child = log.child({ agent: "a" });
  await log.close();
  await assertRejects(() => child.log("nav"), Error, "closed");
  await assertRejects(() => child.begin("nav"), Error, "closed");
});
