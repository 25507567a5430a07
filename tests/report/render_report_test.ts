import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { type AuditEvent, AuditLog, AuditReader } from "@vivarium/scout";
import { renderReport, type ReportOptions } from "@vivarium/scout/report";
import { silent } from "../loggers.ts";
import { VERSION } from "../../src/platform/version.ts";
import { tempDir } from "../temp_dir.ts";
import { withoutOrigin } from "./same_page.ts";

const START = Date.UTC(2026, 1, 13, 14);

function events(count: number): AuditEvent[] {
  return Array.from({ length: count }, (_, n) => ({
    ts: new Date(START + n * 60_000).toISOString(),
    event: "nav",
    cost: 0.25,
    model: "small",
  }));
}

Deno.test(
  "renderReport() returns the same page for a log, a reader, a query and a stream of events",
  async () => {
    using dir = tempDir();
    const path = dir.path("audit.jsonl");
    let nowMs = START;
    await using log = await AuditLog.open({ path, now: () => nowMs, sessionId: "s" });
    for (let n = 0; n < 30; n++, nowMs += 60_000) {
      await log.log("nav", { cost: 0.25, model: "small" });
      if (n === 10) await log.rotate();
    }
    await using reader = await AuditReader.open({ path });
    const range = { since: START + 120_000, until: START + 1_200_000 };
    const whole = await renderReport(log, range);
    assertStringIncludes(whole, `<p id="about">Log: <bdi>${path}</bdi>. Made <time datetime=`);
    assertStringIncludes(whole, ` by @vivarium/scout ${VERSION}.</p>`);
    const page = withoutOrigin(whole);
    assertStringIncludes(page, '<b id="event-count">18</b>');
    const all = await log.query().toArray();
    for (const source of [reader, reader.query(range), reader.query(), ReadableStream.from(all)]) {
      assertEquals(withoutOrigin(await renderReport(source, range)), page);
    }
  },
);

Deno.test(
  "renderReport() shows the unreadable regions of a reader and of a query",
  async () => {
    using dir = tempDir();
    const path = dir.path("audit.jsonl");
    Deno.writeTextFileSync(path, `${JSON.stringify(events(1)[0])}\n{"torn\n`);
    await using reader = await AuditReader.open({ path, logger: silent });
    for (const source of [reader, reader.query()]) {
      const page = await renderReport(source);
      assertStringIncludes(page, '<b id="damage-count">1</b>');
      assertStringIncludes(page, `<bdi>${path}</bdi>`);
    }
  },
);

Deno.test("renderReport() returns one document without scripts, which requests no other files", async () => {
  const page = await renderReport(ReadableStream.from(events(90)));
  assert(page.startsWith("<!DOCTYPE html>\n"));
  assert(!/<(script|link (?!rel="icon" href="data:,")|img|iframe|object|embed)\b/.test(page));
  assert(!/\b(src|srcset|action|style|on\w+)=/.test(page));
  assert(!/url\((?!#)|@import|https?:/.test(page));
});

Deno.test(
  "renderReport() rejects an invalid option before it reads the source",
  async () => {
    const untouched: AsyncIterable<AuditEvent> = {
      [Symbol.asyncIterator]() {
        throw new Error("the source was read");
      },
    };
    const refused: [ReportOptions, typeof RangeError | typeof TypeError, string][] = [
      [{ since: "yesterday" }, RangeError, "since"],
      [{ until: NaN }, RangeError, "until"],
      [{ timeZone: "Mars/Olympus" }, RangeError, "timeZone"],
      [{ budgetPerHour: 0 }, RangeError, "budgetPerHour"],
      [{ budgetPerHour: Infinity }, RangeError, "budgetPerHour"],
      [{ title: 5 as unknown as string }, TypeError, "title"],
    ];
    for (const [options, kind, named] of refused) {
      await assertRejects(() => renderReport(untouched, options), kind, named);
    }
  },
);

Deno.test(
  "renderReport() rejects with the reason of an aborted signal, and closes the source",
  async () => {
    const reason = new Error("enough");
    const signal = AbortSignal.abort(reason);
    const source = ReadableStream.from(events(3));
    await assertRejects(() => renderReport(source, { signal }), Error, "enough");
    const controller = new AbortController();
    let returned = 0;
    async function* endless() {
      try {
        while (true) {
          yield* events(10);
          controller.abort(reason);
        }
      } finally {
        returned++;
      }
    }
    const rendering = renderReport(endless(), { signal: controller.signal });
    await assertRejects(() => rendering, Error, "enough");
    assertEquals(returned, 1);
  },
);

Deno.test("renderReport() groups spend and tokens by the fields in the option by, and names them", async () => {
  const calls = [["a<b", "large", 3], ["c", "large", 1], ["c", "small", 0.5]] as const;
  const events = calls.map(([agent, model, cost], n): AuditEvent => ({
    ts: new Date(START + n * 60_000).toISOString(),
    event: "llm_call",
    agent,
    model,
    cost,
    input_t: 10,
  }));
  const byAgent = await renderReport(ReadableStream.from(events), { by: "agent" });
  for (
    const text of [
      "USD by agent",
      "Tokens by agent",
      "<bdi>a&lt;b</bdi> $3.00",
      "<bdi>c</bdi> $1.50",
    ]
  ) {
    assertStringIncludes(byAgent, text);
  }
  assert(!byAgent.includes("<bdi>large</bdi> $"));
  const byBoth = await renderReport(ReadableStream.from(events), { by: ["agent", "model"] });
  for (
    const text of ["USD by agent, model", "<bdi>c, large</bdi> $1.00", "<bdi>c, small</bdi> $0.50"]
  ) {
    assertStringIncludes(byBoth, text);
  }
});

Deno.test("renderReport() by two fields keeps groups separate if their values have commas, quotes or dashes", async () => {
  const keys = [
    { agent: "x, y", model: "z" },
    { agent: "x", model: "y, z" },
    { agent: "-", model: "m" },
    { model: "m" },
    { agent: '"-"', model: "m" },
  ];
  const events = keys.map((key, n): AuditEvent => ({
    ts: new Date(START + n * 60_000).toISOString(),
    event: "llm_call",
    cost: n + 1,
    ...key,
  }));
  const page = await renderReport(ReadableStream.from(events), { by: ["agent", "model"] });
  const shown = page.matchAll(/<bdi>([^<]*)<\/bdi> (\$\d\.00)/g)
    .map(([, name, usd]) => `${name} ${usd}`);
  assertEquals(
    new Set(shown),
    new Set([
      "&quot;x, y&quot;, z $1.00",
      "x, &quot;y, z&quot; $2.00",
      "&quot;-&quot;, m $3.00",
      "-, m $4.00",
      "&quot;\\&quot;-\\&quot;&quot;, m $5.00",
    ]),
  );
});

Deno.test("renderReport() names the fields in the option by that no event has", async () => {
  const note = "No event has the field";
  const reportBy = (by: string | string[]) => renderReport(ReadableStream.from(events(2)), { by });
  for (const by of ["model", ["cost", "model"]]) assert(!(await reportBy(by)).includes(note));
  assertStringIncludes(await reportBy("modle"), `${note} <bdi>modle</bdi>`);
  assertStringIncludes(await reportBy(["a<b", "model"]), `${note} <bdi>a&lt;b</bdi>`);
  assert(!(await renderReport(ReadableStream.from([]), { by: "modle" })).includes(note));
});

Deno.test("renderReport() lists the reasons of failures with their number, share, times and an example", async () => {
  const failures = ["timeout after 3 s", "no <file>", "timeout after 5 s", "timeout after 9 s"];
  const calls = failures.map((error, n): AuditEvent => ({
    ts: new Date(START + n * 60_000).toISOString(),
    event: "tool_call",
    agent: "scout",
    session_id: "s1",
    status: "error",
    error,
  }));
  const page = await renderReport(ReadableStream.from([...events(3), ...calls]));
  assertEquals(rowsOf(page, "failures"), [
    [
      "timeout after &lt;n&gt; s",
      "3",
      "75.0 %",
      "2026-02-13 14:00:00",
      "2026-02-13 14:03:00",
      "timeout after 3 s",
      "tool_call",
      "scout",
      "s1",
    ],
    [
      "no &lt;file&gt;",
      "1",
      "25.0 %",
      "2026-02-13 14:01:00",
      "2026-02-13 14:01:00",
      "–",
      "tool_call",
      "scout",
      "s1",
    ],
  ]);
  const many = Array.from({ length: 60 }, (_, n): AuditEvent => ({
    event: "validation_fail",
    reason: "x".repeat(n + 1),
  }));
  const cut = await renderReport(ReadableStream.from(many));
  assertEquals(rowsOf(cut, "failures").length, 50);
  assertStringIncludes(cut, "… and 10 more reasons.");
  assertStringIncludes(await renderReport(ReadableStream.from(events(1))), "No failures:");
});

Deno.test("renderReport() shows the most frequent reasons of failed validations in each bar of the accuracy, in its table and under the pointer", async () => {
  const fails = ["a < b", "a < b", "c", "d", "e"].map((reason, n): AuditEvent => ({
    ts: new Date(START + 500 * n).toISOString(),
    event: "validation_fail",
    reason,
  }));
  const other = { ...fails[0]!, event: "tool_call", status: "error", reason: "other" };
  const page = await renderReport(ReadableStream.from([...events(3), ...fails, other]));
  const rows = rowsOf(page, "accuracy-table");
  assertEquals(rows.map((row) => row.at(-1)), ["2 × a &lt; b, 1 × c, 1 × d", "–", "–"]);
  assertStringIncludes(page, "\n5 failed validations\n2 × a &lt; b\n1 × c\n1 × d</title>");
});

Deno.test("renderReport() lists the calls that have begun and not ended, and for how long", async () => {
  const begin = { ts: new Date(START).toISOString(), event: "tool_call_begin", span: "<1>" };
  const calls: AuditEvent[] = [
    { ...begin, agent: "scout", model: "large", session_id: "s1" },
    { ...begin, span: "2" },
    { ts: new Date(START + 1_000).toISOString(), event: "tool_call", span: "2" },
  ];
  const page = await renderReport(ReadableStream.from([...calls, ...events(31)]));
  assertEquals(rowsOf(page, "unfinished"), [
    ["2026-02-13 14:00:00", "31 min 0 s", "tool_call", "scout", "s1", "&lt;1&gt;", "model: large"],
  ]);
  assertStringIncludes(page, '<b id="unfinished-count">1</b><span>begun and not ended</span>');
  const ended = await renderReport(ReadableStream.from(calls.slice(1)));
  assertStringIncludes(ended, '<b id="unfinished-count">0</b><span>every call has ended</span>');
  assertStringIncludes(ended, "Every call that was logged with its beginning has ended.");
});

/** Returns the texts of the cells in each row of a table of the page. */
function rowsOf(page: string, id: string): string[][] {
  const [, section = ""] = page.split(`id="${id}"`);
  const [, body = ""] = /<tbody>(.*?)<\/tbody>/s.exec(section) ?? [];
  return [...body.matchAll(/<tr>(.*?)<\/tr>/gs)].map(([, row]) =>
    [...row!.matchAll(/<t[hd][^>]*>(.*?)<\/t[hd]>/gs)].map(([, cell]) =>
      cell!.replace(/<[^>]+>/g, "")
    )
  );
}
