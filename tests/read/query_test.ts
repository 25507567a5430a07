import { systemClock } from "../../src/platform/clock.ts";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { denoFileSystem } from "../../src/platform/deno_file_system.ts";
import type { FileSystem } from "../../src/platform/file_system.ts";
import { type Logger, logger } from "../../src/logger.ts";
import { type AuditQuery, queryLog } from "../../src/read/query.ts";
import type { QueryOptions } from "../../src/read/query_options.ts";
import { LogDirectory } from "../../src/segments/log_directory.ts";
import { tempDir } from "../temp_dir.ts";

const EVENTS = [
  { ts: "2026-02-13T14:00:00.000Z", event: "nav", session_id: "s1", n: 1 },
  { ts: "2026-02-13T14:30:00.000Z", event: "brief", session_id: "s2", n: 2 },
  { event: "nav", session_id: "s1", n: 3 },
  { ts: "2026-02-13T15:00:00.123456+00:00", event: "nav", session_id: "s2", n: 4 },
];
const CONTENT = EVENTS.map((event) => `${JSON.stringify(event)}\n`).join("");

/** Creates a log with the content, a function that queries the log, and a list that collects the logged warnings. */
function setUp(content: string | Uint8Array | null, maxLineBytes = 1_000) {
  const dir = tempDir();
  const path = dir.path("audit.jsonl");
  if (typeof content === "string") Deno.writeTextFileSync(path, content);
  else if (content !== null) Deno.writeFileSync(path, content);
  const warnings: string[] = [];
  const logger: Logger = {
    debug() {},
    info() {},
    warn: (text) => warnings.push(String(text)),
    error() {},
  };
  const source = {
    log: new LogDirectory(denoFileSystem, path),
    maxLineBytes,
    logger,
    clock: systemClock,
  };
  return {
    path,
    warnings,
    query: (options?: QueryOptions): AuditQuery => queryLog(source, options),
    [Symbol.dispose]: () => dir[Symbol.dispose](),
  };
}

const SELECTIONS: [options: QueryOptions, expected: number[]][] = [
  [{}, [1, 2, 3, 4]],
  [{ order: "desc" }, [4, 3, 2, 1]],
  [{ limit: 2 }, [1, 2]],
  [{ limit: 0 }, []],
  [{ order: "desc", limit: 1 }, [4]],
  [{ eventType: "nav" }, [1, 3, 4]],
  [{ eventType: ["brief", "budget"] }, [2]],
  [{ eventType: [] }, []],
  [{ sessionId: "s2" }, [2, 4]],
  [{ where: ({ n }) => n === 3 }, [3]],
  [{ since: "2026-02-13T14:30:00Z" }, [2, 4]],
  [{ since: "2026-02-13T16:30:00+02:00" }, [2, 4]],
  [{ until: "2026-02-13T14:30:00Z" }, [1]],
  [{ since: Date.UTC(2026, 1, 13, 14), until: new Date("2026-02-13T15:00:00Z") }, [1, 2]],
  [{ since: Temporal.Instant.from("2026-02-13T15:00:00.123Z") }, [4]],
];

for (const [options, expected] of SELECTIONS) {
  Deno.test(`queryLog() selects events by ${Deno.inspect(options)}`, async () => {
    using log = setUp(CONTENT);
    assertEquals((await log.query(options).toArray()).map(({ n }) => n), expected);
  });
}

Deno.test("queryLog() rejects invalid options at the call, and names the option and the value", () => {
  using log = setUp(CONTENT);
  const bad = (options: unknown) => () => log.query(options as QueryOptions);
  assertThrows(bad({ limit: -1 }), RangeError, "limit must be an integer >= 0 or Infinity, got -1");
  assertThrows(
    bad({ limit: 1.5 }),
    RangeError,
    "limit must be an integer >= 0 or Infinity, got 1.5",
  );
  assertThrows(bad({ order: "up" }), RangeError, 'order must be "asc" or "desc", got "up"');
  assertThrows(bad({ since: "2026-02-13T14:30:00" }), RangeError, "since");
  assertThrows(bad({ until: NaN }), RangeError, "until");
  assertThrows(bad({ eventType: 42 }), TypeError, "eventType");
  assertThrows(bad({ sessionId: 42 }), TypeError, "sessionId");
  assertThrows(bad({ where: "n > 1" }), TypeError, "where");
  assertThrows(bad({ eventType: Symbol("x") }), TypeError, "eventType must be");
  assertThrows(bad({ sessionId: Object.create(null) }), TypeError, "sessionId must be");
  assertThrows(
    bad({ limit: "5" }),
    TypeError,
    'limit must be an integer >= 0 or Infinity, got "5"',
  );
});

Deno.test("queryLog() yields nothing for a missing file and does not create the file", async () => {
  using log = setUp(null);
  assertEquals(await log.query().toArray(), []);
  assertThrows(() => Deno.lstatSync(log.path), Deno.errors.NotFound);
});

Deno.test("queryLog() yields the valid lines and reports each damaged region once", async () => {
  const encoder = new TextEncoder();
  const parts = [
    '{"n":1}\n',
    "42\n",
    '{"n":2,"torn\n',
    Uint8Array.of(0x7b, 0xff, 0x7d, 0x0a),
    `{"long":"${"x".repeat(2_000)}"}\n`,
    `${"\0".repeat(4096)}\n`,
    "\n",
    '{"n":3}\r\n',
    '{"n":4',
  ].map((part) => typeof part === "string" ? encoder.encode(part) : part);
  using log = setUp(new Uint8Array(await new Blob(parts).arrayBuffer()));
  const query = log.query();
  assertEquals(await query.toArray(), [{ n: 1 }, { n: 3 }]);
  const expected = [
    { byteOffset: 8, byteLength: 3, reason: "not an object" },
    { byteOffset: 11, byteLength: 13, reason: "not JSON" },
    { byteOffset: 24, byteLength: 4, reason: "not UTF-8" },
    { byteOffset: 28, byteLength: 2_012, reason: "longer than maxLineBytes (1000)" },
    { byteOffset: 2_040, byteLength: 4_097, reason: "longer than maxLineBytes (1000)" },
    { byteOffset: 6_147, byteLength: 6, reason: "torn tail" },
  ].map((region) => ({ path: log.path, ...region }));
  assertEquals(query.damage, expected);
  assertEquals(log.warnings.length, 6);
  await query.toArray();
  assertEquals([query.damage.length, log.warnings.length], [6, 6]);
});

Deno.test("queryLog() yields the event in a last line that has no line break", async () => {
  using log = setUp('{"n":1}\n{"n":2}');
  const query = log.query();
  assertEquals(await query.toArray(), [{ n: 1 }, { n: 2 }]);
  assertEquals(query.damage, []);
});

Deno.test("queryLog() reads the content that the file has when the iteration starts", async () => {
  using log = setUp('{"n":1}\n');
  const seen: unknown[] = [];
  for await (const { n } of log.query()) {
    seen.push(n);
    if (seen.length < 5) Deno.writeTextFileSync(log.path, '{"n":2}\n', { append: true });
  }
  assertEquals(seen, [1]);
});

Deno.test("queryLog() closes its file each of 10,000 times that the caller breaks out of its loop", async () => {
  using log = setUp(CONTENT);
  let seen = 0;
  for (let round = 0; round < 10_000; round++) {
    for await (const _event of log.query()) {
      seen++;
      break;
    }
  }
  assertEquals(seen, 10_000);
});

Deno.test("queryLog() closes its file when the loop body throws", async () => {
  using log = setUp(CONTENT);
  await assertRejects(
    async () => {
      for await (const event of log.query()) throw new Error(`at ${event.n}`);
    },
    Error,
    "at 1",
  );
});

Deno.test("queryLog() throws the reason of its signal if it aborts", async () => {
  using log = setUp(CONTENT);
  const reason = new Error("enough");
  await assertRejects(
    () => log.query({ signal: AbortSignal.abort(reason) }).toArray(),
    Error,
    "enough",
  );
  const controller = new AbortController();
  const seen: unknown[] = [];
  await assertRejects(
    async () => {
      for await (const { n } of log.query({ signal: controller.signal })) {
        seen.push(n);
        if (n === 2) controller.abort(reason);
      }
    },
    Error,
    "enough",
  );
  assertEquals(seen, [1, 2]);
});

Deno.test("AuditQuery.toReadableStream() streams the events and closes the file when it is cancelled", async () => {
  using log = setUp(CONTENT);
  const all = await Array.fromAsync(log.query().toReadableStream());
  assertEquals(all.map(({ n }) => n), [1, 2, 3, 4]);
  const reader = log.query().toReadableStream().getReader();
  assertEquals((await reader.read()).value?.n, 1);
  await reader.cancel();
  assert((await reader.read()).done);
});

Deno.test("queryLog() in descending order stops reading when it is aborted", async () => {
  using log = setUp('{"n":1}\n'.repeat(200_000));
  const controller = new AbortController();
  const positions: number[] = [];
  let open = 0;
  const fileSystem: FileSystem = {
    ...denoFileSystem,
    open(path, access) {
      const handle = denoFileSystem.open(path, access);
      open++;
      return {
        status: () => handle.status(),
        read(buffer, position) {
          positions.push(position);
          controller.abort(new Error("enough"));
          return handle.read(buffer, position);
        },
        readSync: (buffer, position) => handle.readSync(buffer, position),
        appendSync: (bytes) => handle.appendSync(bytes),
        truncateSync: (byteLength) => handle.truncateSync(byteLength),
        setOwnership: (ownership) => handle.setOwnership(ownership),
        syncData: () => handle.syncData(),
        syncDataSync: () => handle.syncDataSync(),
        tryLock: () => handle.tryLock(),
        unlock: () => handle.unlock(),
        close() {
          open--;
          handle.close();
        },
      };
    },
  };
  const source = {
    log: new LogDirectory(fileSystem, log.path),
    maxLineBytes: 1_000,
    logger,
    clock: systemClock,
  };
  const query = queryLog(source, { order: "desc", signal: controller.signal });
  await assertRejects(() => query.toArray(), Error, "enough");
  // The query has read only once, at the end of the file, before it stopped.
  assertEquals([positions.length, open], [1, 0]);
  assert(positions[0]! > 1_500_000, `read at ${positions[0]}`);
});

Deno.test("queryLog() reports damage among the last events once", async () => {
  using log = setUp(`{"n":1}\n{"n":2\n{"n":3}\n{"n":4}\n`);
  const query = log.query({ order: "desc", limit: 2 });
  assertEquals((await query.toArray()).map(({ n }) => n), [4, 3]);
  const damage = { path: log.path, byteOffset: 8, byteLength: 7, reason: "not JSON" };
  assertEquals(query.damage, [damage]);
  assertEquals(log.warnings.length, 1);
  assertEquals((await log.query({ order: "desc", limit: 9 }).toArray()).length, 3);
  assertEquals(log.warnings.length, 2, "each query reports it once");
});

Deno.test("queryLog() calls the function in the option where once for each event, also in descending order", async () => {
  using log = setUp(CONTENT);
  const asked: unknown[] = [];
  const where: QueryOptions["where"] = ({ n }) => asked.push(n) > 0;
  await log.query({ order: "desc", limit: 9, where }).toArray();
  await log.query({ order: "desc", limit: 1, where }).toArray();
  assertEquals(asked, [4, 3, 2, 1, 4]);
});

Deno.test("queryLog() loses only the torn line of a file that is cut in any of its last three lines", async () => {
  const lines = ['{"n":1}', '{"n":2,"s":"é}"}', '{"n":3,"o":{"a":[1]}}', '{"n":4}'];
  const content = new TextEncoder().encode(lines.map((line) => `${line}\n`).join(""));
  const ends: number[] = [];
  for (let at = 0; at < content.length; at++) if (content[at] === 0x0a) ends.push(at);
  for (let cut = ends[0]! + 1; cut <= content.length; cut++) {
    using log = setUp(content.slice(0, cut));
    const query = log.query();
    const whole = ends.filter((end) => end <= cut).length;
    const seen = (await query.toArray()).map(({ n }) => n);
    assertEquals(seen, [1, 2, 3, 4].slice(0, whole), `cut at ${cut}`);
    const start = ends[whole - 1]! + 1;
    const torn = start < cut
      ? [{ path: log.path, byteOffset: start, byteLength: cut - start, reason: "torn tail" }]
      : [];
    assertEquals(query.damage, torn, `cut at ${cut}`);
  }
});

Deno.test("queryLog() reads a log file that the Python original wrote", async () => {
  using log = setUp(
    '{"ts": "2026-02-13T14:00:00.123456", "event": "nav", "cost": NaN, "reason": "NaN, caf\\u00e9"}\n' +
      '{"ts": "2026-02-13T14:00:01.000000", "event": "nav", "cost": Infinity, "x": [-Infinity, 1]}\n',
  );
  const query = log.query({ since: "2026-02-13T14:00:00Z", eventType: "nav" });
  assertEquals(await query.toArray(), [
    { ts: "2026-02-13T14:00:00.123456", event: "nav", cost: null, reason: "NaN, café" },
    { ts: "2026-02-13T14:00:01.000000", event: "nav", cost: null, x: [null, 1] },
  ]);
  assertEquals(query.damage, []);
});
