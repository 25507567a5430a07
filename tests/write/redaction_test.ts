import { assert, assertEquals, assertRejects } from "@std/assert";
import { AuditEventError, AuditLog, type AuditLogOptions, type Redact } from "@vivarium/scout";
import fc from "fast-check";
import type { EventFields } from "../../src/event.ts";
import { lineSerializer } from "../../src/write/serialize_stream.ts";
import { silent } from "../loggers.ts";
import { tempDir } from "../temp_dir.ts";

const HEAD = { ts: "1970-01-01T00:00:00.000Z", event: "nav", session_id: "s1" };

/** Returns the record that is written to the log for an event with the fields. */
function written(redact: Redact, fields: unknown): Record<string, unknown> {
  const serialize = lineSerializer({ sessionId: "s1", now: () => 0, redact });
  return JSON.parse(serialize("nav", fields as EventFields));
}

const CASES: [redact: string[], fields: Record<string, unknown>, expected: unknown][] = [
  [["key"], { key: "k", other: 1 }, { key: "[redacted]", other: 1 }],
  [["key"], { a: { key: { b: 1 } } }, { a: { key: "[redacted]" } }],
  [["key"], { a: [{ key: 1 }, [{ key: 2 }]] }, {
    a: [{ key: "[redacted]" }, [{ key: "[redacted]" }]],
  }],
  [["key"], { keys: "k", "a.key": 1, Key: 2 }, { keys: "k", "a.key": 1, Key: 2 }],
  [["key"], { key: null, a: { key: null } }, { a: { key: "[redacted]" } }],
  [["key"], { key: undefined, a: { key: undefined } }, { a: {} }],
  [["a.b"], { a: { b: 1, c: { b: 2 } }, b: 3 }, { a: { b: "[redacted]", c: { b: 2 } }, b: 3 }],
  [["a.*"], { a: { b: 1, c: { d: 2 } } }, { a: { b: "[redacted]", c: "[redacted]" } }],
  [["a.*.b"], { a: [{ b: 1, c: 2 }, { b: 3 }] }, {
    a: [{ b: "[redacted]", c: 2 }, { b: "[redacted]" }],
  }],
  [["*.b"], { a: { b: 1 }, c: { b: 2, d: { b: 3 } } }, {
    a: { b: "[redacted]" },
    c: { b: "[redacted]", d: { b: 3 } },
  }],
  [["a.0"], { a: ["x", "y"] }, { a: ["[redacted]", "y"] }],
  [["*"], { a: 1, reason: "r", b: { c: 2 } }, {
    reason: "[redacted]",
    a: "[redacted]",
    b: "[redacted]",
  }],
  [["config"], { config: { a: 1 }, cost: 2 }, { cost: 2, config: "[redacted]" }],
  [["config.token"], { config: { token: "t", a: { token: 1 } } }, {
    config: { token: "[redacted]", a: { token: 1 } },
  }],
  [["files.*"], { files: ["a", "b"], model: "m" }, {
    model: "m",
    files: ["[redacted]", "[redacted]"],
  }],
  [["reason", "cost"], { cost: 1, reason: "secret" }, { cost: "[redacted]", reason: "[redacted]" }],
  [["__proto__"], JSON.parse('{"__proto__":{"a":1},"b":{"__proto__":2}}'), {
    ...JSON.parse('{"__proto__":"[redacted]","b":{"__proto__":"[redacted]"}}'),
  }],
];
for (const [redact, fields, expected] of CASES) {
  Deno.test(`redact: ${JSON.stringify(redact)} hides exactly the named members of ${JSON.stringify(fields)}`, () => {
    const before = JSON.stringify(fields);
    const text = JSON.stringify(written(redact, fields));
    const members = JSON.stringify(expected).slice(1);
    assertEquals(text, `${JSON.stringify(HEAD).slice(0, -1)},${members}`);
    assertEquals(JSON.stringify(fields), before);
    assertEquals(({} as Record<string, unknown>).a, undefined);
  });
}

Deno.test("redact does not hide ts, event and session_id, which the log itself sets", () => {
  const fields = { session_id: "s1", config: { event: "secret", ts: 1 } };
  assertEquals(written(["ts", "event", "session_id"], fields), {
    ...HEAD,
    config: { event: "[redacted]", ts: "[redacted]" },
  });
});

Deno.test("redact hides members in the result of toJSON(), at any depth", () => {
  class Client {
    readonly #key = "secret";
    toJSON() {
      return { url: "u", key: this.#key };
    }
  }
  assertEquals(written(["key"], { client: new Client(), list: [new Client()] }), {
    ...HEAD,
    client: { url: "u", key: "[redacted]" },
    list: [{ url: "u", key: "[redacted]" }],
  });
  const circle: Record<string, unknown> = { key: "secret" };
  circle.self = circle;
  assertEquals(written(["key"], { circle }), {
    ...HEAD,
    circle: { key: "[redacted]", self: "[Circular]" },
  });
});

Deno.test("redact hides a known field of the wrong type, even in an error message", async () => {
  using dir = tempDir();
  const path = dir.path("audit.jsonl");
  await using log = await AuditLog.open({ path, redact: ["model"], logger: silent });
  await log.log("nav", { model: { key: "secret" } } as unknown as EventFields);
  const error = await assertRejects(
    () => log.log("nav", { model: "secret", cost: -1 }),
    AuditEventError,
  );
  assertEquals([error.field, error.message.includes("secret")], ["cost", false]);
});

/** Redacts a parsed record member by member: a second implementation to compare with. */
function reference(value: unknown, redact: readonly string[], place: string[] = []): unknown {
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, member]): [string, unknown] => {
    const here = [...place, key];
    const isHidden = redact.some((name) =>
      name.includes(".") || name === "*"
        ? new RegExp(`^${name.replaceAll(".", "/").replaceAll("*", "[^/]*")}$`).test(here.join("/"))
        : name === key
    );
    return [key, isHidden ? "[redacted]" : reference(member, redact, here)];
  });
  return Array.isArray(value) ? entries.map(([, member]) => member) : Object.fromEntries(entries);
}

Deno.test("redact hides the named members of random records, and nothing else", () => {
  const name = fc.constantFrom("a", "b", "c", "0", "1", "__proto__", "toString");
  const segment = fc.oneof(name, fc.constant("*"));
  const names = fc.array(
    fc.oneof(
      name,
      fc.array(segment, { minLength: 2, maxLength: 4 }).map((path) => path.join(".")),
    ),
    { maxLength: 3 },
  );
  const value = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom(1, "x", true),
      fc.array(tie("value"), { maxLength: 3 }),
      fc.dictionary(name, tie("value"), { maxKeys: 3, noNullPrototype: true }),
    ),
  })).value;
  const fields = fc.dictionary(name, value, { maxKeys: 4, noNullPrototype: true });
  fc.assert(
    fc.property(names, fields, (redact, record) => {
      const { ts: _ts, event: _event, session_id: _session, ...rest } = written(redact, record);
      assertEquals(JSON.stringify(rest), JSON.stringify(reference(record, redact)));
    }),
    { numRuns: 2_000, seed: 8 },
  );
});

Deno.test("redact can be a function that returns the record to write; if the function throws, the event is rejected", async () => {
  using dir = tempDir();
  const path = dir.path("audit.jsonl");
  const options: AuditLogOptions = {
    path,
    logger: silent,
    redact({ prompt, ...record }) {
      if (prompt === undefined) return record;
      if (prompt === "none") return undefined as unknown as Record<string, unknown>;
      if (typeof prompt !== "string") throw new Error("prompt is not a text");
      return { ...record, promptLength: prompt.length };
    },
  };
  const log = await AuditLog.open(options);
  await log.log("nav", { prompt: "secret", cost: 1 });
  await log.log("brief");
  for (
    const [prompt, message] of [[5, "the redact function throws: prompt is not a text"], [
      "none",
      "a record",
    ]]
  ) {
    const error = await assertRejects(() => log.log("nav", { prompt }), AuditEventError);
    assert(error.message.includes(`${message}`), error.message);
    assertEquals(error.field, "redact");
  }
  await log.close();
  const events = (Deno.readTextFileSync(path).trim().split("\n")).map((line) => JSON.parse(line));
  assertEquals(
    events.map(({ event, cost, promptLength }) => [event, cost, promptLength]),
    [["nav", 1, 6], ["brief", undefined, undefined]],
  );
});

Deno.test("redact keeps a secret out of every file of the log, with log() and createWritable()", async () => {
  using dir = tempDir();
  const path = dir.path("audit.jsonl");
  {
    await using log = await AuditLog.open({
      path,
      redact: ["api_key", "messages.*.content", "config.headers.*"],
      chain: true,
      rotationSizeBytes: 500,
      logger: silent,
    });
    const fields = {
      api_key: "SECRET",
      messages: [{ role: "user", content: "SECRET" }, { role: "user", content: ["SECRET"] }],
      config: { headers: { authorization: "SECRET" }, api_key: { nested: "SECRET" } },
    };
    for (let n = 0; n < 10; n++) await log.log("nav", { ...fields, n });
    await ReadableStream.from([{ event: "brief", ...fields }]).pipeTo(log.createWritable());
    log.log("tldr", fields);
    log.flushSync();
    assertEquals((await log.query().toArray()).length, 12);
    assertEquals((await log.verify()).faults, []);
  }
  for (const { name } of Deno.readDirSync(dir.path(""))) {
    const bytes = Deno.readFileSync(dir.path(name));
    const stream = new Blob([bytes]).stream();
    const text = await new Response(
      name.endsWith(".gz") ? stream.pipeThrough(new DecompressionStream("gzip")) : stream,
    ).text();
    assert(!text.includes("SECRET"), name);
  }
});
