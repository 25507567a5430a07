import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { toFileUrl } from "@std/path";
import {
  accuracyMetrics,
  type AuditEvent,
  AuditReader,
  gateMetrics,
  hourlySpend,
  stats,
} from "@vivarium/scout";
import { renderReport, type ReportOptions } from "@vivarium/scout/report";
import { gzipSync } from "node:zlib";
import { silent } from "../loggers.ts";
import { SeededRandom } from "../seeded_random.ts";
import { type TempDir, tempDir } from "../temp_dir.ts";
import {
  assertAccessible,
  browserTest,
  cellsOf,
  longBrowserTest,
  openPage,
  textOf,
} from "./browser.ts";
import { shownDuration } from "../../src/shown.ts";
import { UNSAFE } from "../cli/unsafe_text.ts";

const START = Date.UTC(2026, 9, 24, 20);
const HOUR_MS = 3_600_000;

/** Returns random events of a day and a half, during which the clocks of Europe/Berlin are set back by an hour. */
function randomEvents(): AuditEvent[] {
  const random = new SeededRandom(7);
  const types = ["nav", "nav", "brief", "validation_fail", "gate_compress", "gate_escalate"];
  return Array.from({ length: 3_000 }, (_, n) => ({
    ts: new Date(START + n * 43_000 + random.below(40_000)).toISOString(),
    event: types[random.below(types.length)]!,
    session_id: `session-${random.below(40)}`,
    cost: random.below(1_000_000) / 7e6,
    model: `model-${random.below(12)}`,
    input_t: random.below(9_000),
    output_t: random.below(900),
    confidence: random.below(101),
    agent: `agent-${random.below(4)}`,
    ...n % 3 === 0 ? {} : { duration_ms: 10 + random.below(5_000) },
    ...random.below(9) > 0 ? {} : { status: "error", error: `timeout after ${n} s` },
  }));
}

/** Creates a log with an archive, and with an active file whose last lines are damaged. */
function createLog(dir: TempDir, events: readonly AuditEvent[]): string {
  const lines = events.map((event) => `${JSON.stringify(event)}\n`);
  const archived = lines.splice(0, 1_000);
  Deno.writeFileSync(dir.path("audit_20261030_000000.jsonl.gz"), gzipSync(archived.join("")));
  const path = dir.path("audit.jsonl");
  Deno.writeTextFileSync(path, `${lines.join("")}{"torn\n42\n`);
  return path;
}

async function writeReport(dir: TempDir, path: string, options: ReportOptions): Promise<string> {
  await using reader = await AuditReader.open({ path, logger: silent });
  const file = dir.path("report.html");
  Deno.writeTextFileSync(file, await renderReport(reader, options));
  return toFileUrl(file).href;
}

/** Returns the first number in a text that the page shows. */
function numberIn(text: string): number {
  const [shown = ""] = text.match(/-?[\d,]*\.?\d+/) ?? [];
  return Number(shown.replaceAll(",", ""));
}

/** Rounds an amount of USD as the page does. */
function rounded(usd: number): number {
  return Number(usd < 1 ? usd.toPrecision(6) : usd.toFixed(2));
}

/** Returns the exact sums of one field, grouped by another field. */
function sumsBy(
  events: readonly AuditEvent[],
  name: "model" | "event" | "session_id",
  field: "cost" | "input_t" | "output_t",
): Map<string, number> {
  const byName = Map.groupBy(events, (event) => event[name]!);
  return new Map(
    [...byName].map(([key, some]) => [key, Math.sumPrecise(some.map((event) => event[field]!))]),
  );
}

await browserTest(
  "The page shows the same figures as query() and the metrics",
  async (browser) => {
    using dir = tempDir();
    const path = createLog(dir, randomEvents());
    const range = { since: START + 2 * HOUR_MS, until: START + 33 * HOUR_MS + 1_234_567 };
    const url = await writeReport(dir, path, { ...range, timeZone: "Europe/Berlin" });
    await using shown = await openPage(browser, url);
    const { page } = shown;
    const figure = async (id: string) => numberIn(await textOf(page, `#${id}`));

    await using reader = await AuditReader.open({ path, logger: silent });
    const query = reader.query(range);
    const events = await query.toArray();
    const usd = Math.sumPrecise(events.map(({ cost }) => cost!));
    assert(events.length > 2_000, `${events.length} events`);
    assertEquals(await figure("event-count"), events.length);
    assertEquals(await figure("usd"), rounded(usd));
    for (const [id, hours] of [["usd-hour", 1], ["usd-day", 24]] as const) {
      const recent = await hourlySpend(query, { hours, now: () => range.until });
      assertEquals(await figure(id), rounded(recent));
    }
    const accuracy = await accuracyMetrics(query);
    assertEquals(await figure("accuracy-pct"), accuracy.accuracyPct);
    const about = await textOf(page, ".figure:has(#accuracy-pct) span");
    assertEquals(numberIn(about), accuracy.totalNav);
    assertEquals(await figure("gate-pct"), (await gateMetrics(query)).passRatePct);
    assertEquals(await figure("damage-count"), 2);

    for (const summary of await page.locator("summary").all()) await summary.click();
    const tokens = await cellsOf(page, "#tokens-table");
    for (const [column, field] of [[1, "input_t"], [2, "output_t"]] as const) {
      const shownTokens = tokens.map((row) => [row[0]!, numberIn(row[column]!)] as const);
      assertEquals(new Map(shownTokens), sumsBy(events, "model", field));
    }
    const groups = await cellsOf(page, "#groups");
    for (const by of ["model", "agent"] as const) {
      for (
        const { key: [name], calls, errors, usd } of (await stats(reader, { ...range, by })).groups
      ) {
        const row = groups.find(([shownName]) => shownName === name)!;
        const navs = await accuracyMetrics(
          ReadableStream.from(events.filter((event) => event[by] === name)),
        );
        assertEquals([1, 3, 4, 8, 9].map((column) => numberIn(row[column]!)), [
          rounded(usd),
          calls,
          errors,
          navs.totalNav,
          navs.accuracyPct,
        ]);
      }
    }
    const lanes = await cellsOf(page, "#timeline-table");
    const { groups: agents } = await stats(reader, { ...range, by: "agent" });
    assertEquals(
      lanes.map(([agent, calls, failed]) => [agent, numberIn(calls!), numberIn(failed!)]).sort(),
      agents.map(({ key: [agent], calls, errors }) => [agent, calls, errors]).sort(),
    );
    const latency = await cellsOf(page, "#latency-table");
    assert(latency.length > 20);
    for (const [from, calls, median, p95] of latency) {
      const hour = Temporal.PlainDateTime.from(from!).toZonedDateTime("Europe/Berlin");
      // The hour from 2:00 is there twice, so it is left out.
      if (from!.endsWith("25 02:00")) continue;
      const since = Math.max(range.since, hour.epochMilliseconds);
      const until = Math.min(range.until, hour.add({ hours: 1 }).epochMilliseconds);
      const { total: { duration } } = await stats(reader, { since, until });
      assertEquals([numberIn(calls!), median, p95], [
        duration!.n,
        shownDuration(duration!.p50.value),
        duration!.n < 20 ? "too few" : shownDuration(duration!.p95.value),
      ]);
    }
    const { failures } = await stats(reader, range);
    assert(failures.length === 2, failures.map(({ reason }) => reason).join());
    assertEquals(
      (await cellsOf(page, "#failures")).map(([reason, count]) => [reason, numberIn(count!)]),
      failures.map(({ reason, count }) => [reason, count]),
    );
    const types = await cellsOf(page, "#types-table");
    assertEquals(
      new Map(types.map(([type, count]) => [type!, numberIn(count!)])),
      new Map([...Map.groupBy(events, ({ event }) => event!)].map(([type, some]) => [
        type,
        some.length,
      ])),
    );
    const top = [...sumsBy(events, "session_id", "cost")].sort((a, b) => b[1] - a[1]);
    assertEquals(
      (await cellsOf(page, "#sessions")).map(([id, cost]) => [id!, numberIn(cost!)]),
      top.slice(0, 10).map(([id, cost]) => [id, rounded(cost)]),
    );
    assertEquals(
      (await cellsOf(page, "#events")).map(([, type, agent, model]) => [type, agent, model]),
      events.slice(-50).reverse().map(({ event, agent, model }) => [event, agent, model]),
    );
    assertEquals(
      (await cellsOf(page, "#damage")).map(([file, at, , reason]) => [file, numberIn(at!), reason]),
      query.damage.map(({ path, byteOffset, reason }) => [path, byteOffset, reason]),
    );
  },
);

await browserTest(
  "Each bar and point of a chart has its values as a title, in the drawing that the page shows",
  async (browser) => {
    using dir = tempDir();
    const url = await writeReport(dir, createLog(dir, randomEvents()), { budgetPerHour: 5 });
    for (const [width, size] of [[1280, "middle"], [1920, "wide"], [1000, "wide"]] as const) {
      await using shown = await openPage(browser, url, { viewport: { width, height: 900 } });
      const { page } = shown;
      for (const summary of await page.locator("summary").all()) await summary.click();
      const titlesOf = async (chart: string) => {
        assert(await page.locator(`#${chart}-chart .${size}`).isVisible(), `${chart} at ${width}`);
        const titles = await page.locator(`#${chart}-chart .${size} title`).allTextContents();
        return titles.map((title) => title.split("\n"));
      };
      const spend = await titlesOf("spend");
      const rows = await cellsOf(page, "#spend-table");
      assertEquals(
        spend.map((
          lines,
        ) => [lines[0]!.split(" to ")[0], lines.find((line) => /^total/.test(line))]),
        rows.map((row) => [row[0], `total: ${row.at(-1) === "–" ? "$0.00" : row.at(-1)}`]),
      );
      const accuracy = new Map(
        (await titlesOf("accuracy")).map((lines) => [lines[0]!.split(" to ")[0], lines[1]]),
      );
      const shownAccuracy = await cellsOf(page, "#accuracy-table");
      assert(shownAccuracy.length > 20);
      for (const [from, pct] of shownAccuracy) {
        assertEquals(accuracy.get(from), `accuracy: ${pct}`);
      }
      const latency = new Map(
        (await titlesOf("latency")).map((lines) => [lines[0]!.split(" to ")[0], lines[1]]),
      );
      for (const [from, , median] of await cellsOf(page, "#latency-table")) {
        assertEquals(latency.get(from), `median: ${median}`);
      }
      const calls = new Map<string, number>();
      for (const lines of await titlesOf("timeline")) {
        for (
          const [, agent = "", count] of lines.map((line) =>
            /^(.*): ([\d,]+) call/.exec(line) ?? []
          )
        ) {
          if (count !== undefined) calls.set(agent, (calls.get(agent) ?? 0) + numberIn(count));
        }
      }
      assertEquals(
        calls,
        new Map(
          (await cellsOf(page, "#timeline-table")).map((row) => [row[0]!, numberIn(row[1]!)]),
        ),
      );
      assertEquals(
        await titlesOf("types"),
        (await cellsOf(page, "#types-table")).map(([type, count]) => [`${type}: ${count} events`]),
      );
      assertEquals(
        await titlesOf("tokens"),
        (await cellsOf(page, "#tokens-table")).map(([model, input, output]) => [
          `${model}: ${input} input, ${output} output`,
        ]),
      );
      // The areas of the titles cover the drawing side by side, so that the pointer finds the bar that it is over.
      const areas = await page.locator(`#spend-chart .${size} rect:has(title)`)
        .evaluateAll((rects) => rects.map((rect) => rect.getBoundingClientRect().toJSON()));
      for (const [n, { right }] of areas.slice(0, -1).entries()) {
        assert(Math.abs(areas[n + 1].left - right) < 0.5, `${right} and ${areas[n + 1].left}`);
      }
    }
  },
);

await browserTest(
  "At a width of 1280 pixels no long table is clipped, and at 390 pixels the first chart begins within a screen and a half",
  async (browser) => {
    using dir = tempDir();
    const error = "the connection to the model was closed before the answer was complete ".repeat(
      3,
    );
    const events = randomEvents().map((event, n) =>
      n % 5 > 0 ? event : { ...event, status: "error", error: `${error}${n}` }
    );
    const url = await writeReport(dir, createLog(dir, events), { budgetPerHour: 5 });
    {
      await using shown = await openPage(browser, url, { viewport: { width: 1280, height: 900 } });
      const clipped = await shown.page.locator(".long .scroll").evaluateAll((frames) =>
        frames.filter((frame) => frame.scrollWidth > frame.clientWidth).map(({ id }) => id)
      );
      assertEquals(clipped, []);
    }
    await using phone = await openPage(browser, url, { viewport: { width: 390, height: 844 } });
    const chart = await phone.page.locator("#spend-chart svg:visible").first().boundingBox();
    assert(chart!.y < 1.5 * 844, `the chart begins at ${chart!.y}`);
  },
);

await browserTest(
  "The spend table has a row per hour of the time zone, and two rows for a repeated hour",
  async (browser) => {
    using dir = tempDir();
    const events = randomEvents();
    const url = await writeReport(dir, createLog(dir, events), { timeZone: "Europe/Berlin" });
    await using shown = await openPage(browser, url);
    const { page } = shown;
    await page.locator("summary").first().click();
    const rows = await cellsOf(page, "#spend-table");
    const byHour = Map.groupBy(events, ({ ts }) => Math.floor(Date.parse(ts!) / HOUR_MS));
    const hours = [...byHour.keys()].sort((a, b) => a - b);
    assertEquals(
      rows.map(([from]) => from).filter((from) => from === "2026-10-25 02:00").length,
      2,
    );
    assertEquals(
      rows.map((row) => numberIn(row.at(-1)!)),
      hours.map((hour) => {
        const usd = Math.sumPrecise(byHour.get(hour)!.map(({ cost }) => cost!));
        return rounded(usd);
      }),
    );
  },
);

const HOSTILE = [
  "</script><script>document.title = 'hacked'; alert(1)</script>",
  '"><img src=x onerror="document.title = \'hacked\'">',
  "<svg/onload=document.title='hacked'>",
  "'; document.title = 'hacked' //",
  "javascript:alert(1)",
  "]]></style><script>alert(1)</script>",
  "<!-- <script>",
  "${alert(1)} {{1+1}} {b|c} {value}",
  "&lt;b&gt; &amp; &#60;",
  "line\u2028separated\u2029and\nbroken\ttext",
  "\u202egnirts desrever\u202c \u2066isolated",
  "nul \u0001 and a lone \ud800 surrogate",
  "__proto__",
  "constructor",
];

/**
 * Returns a text as the page shows it: characters that could change how the text around them looks are escaped, as in
 * JSON.
 */
function escaped(text: string): string {
  return [...text].map((character) => {
    if (!UNSAFE.test(character) && character !== "\u2028" && character !== "\u2029") {
      return character;
    }
    const code = `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
    return { "\n": "\\n", "\t": "\\t" }[character] ?? code;
  }).join("");
}

await browserTest("The page shows hostile text of a log as text", async (browser) => {
  using dir = tempDir();
  const random = new SeededRandom(3);
  const place = dir.path(`<img src=x onerror=alert(1)>"'&`);
  Deno.mkdirSync(place);
  const long = "x".repeat(10_000);
  const events = [...HOSTILE, long].map((text, n) => ({
    ts: new Date(START + n * 60_000).toISOString(),
    event: text,
    session_id: text,
    model: text,
    cost: 1 + n / 8,
    input_t: random.below(900),
    agent: text,
    status: "error",
    error: text,
    reason: text,
    files: [text],
    [text]: text,
  }));
  const odd = { ts: HOSTILE[0], event: { toString: HOSTILE[0] }, model: [HOSTILE[1]], cost: "<b>" };
  const path = `${place}/audit.jsonl`;
  const begun = HOSTILE.map((text) => ({ event: "tool_call_begin", span: text, model: text }));
  const lines = [...begun, ...events, odd].map((event) => JSON.stringify(event));
  Deno.writeTextFileSync(path, `${lines.join("\n")}\n<script>alert(1)</script>\n`);
  const url = await writeReport(dir, path, { title: HOSTILE[0]!, budgetPerHour: 1 });
  await using shown = await openPage(browser, url);
  const { page, requests, messages } = shown;
  for (const summary of await page.locator("summary").all()) await summary.click();
  assertEquals([requests, messages], [[], []]);
  assertEquals(await page.title(), HOSTILE[0]);
  assertEquals(await page.locator("script, img, iframe, object").count(), 0);
  const tables = [
    "#sessions",
    "#types-table",
    "#tokens-table",
    "#groups",
    "#failures",
    "#unfinished",
    "#timeline-table",
  ];
  const [
    sessions,
    types,
    models,
    groups,
    failures,
    unfinished,
    lanes,
    shownEvents,
    damage,
  ] = await Promise
    .all([...tables, "#events", "#damage"].map((table) => cellsOf(page, table)));
  for (const text of HOSTILE) {
    const appearing = escaped(text);
    assert(types!.some(([type]) => type === appearing), text);
    assert(models!.some(([model]) => model === appearing), text);
    assertEquals(groups!.filter(([name]) => name === appearing).length, 2, text);
    assertEquals(lanes!.filter(([lane]) => lane === appearing).length, 1, text);
    assert(unfinished!.some((row) => row[5] === appearing && row[6]!.includes(appearing)), text);
    assert(failures!.some((row) => row[7] === appearing && row[8] === appearing), text);
    assert(shownEvents!.some((row) => row.at(-1)!.includes(`reason: ${appearing}, `)), text);
  }
  assert(sessions!.every(([id]) => id !== ""), "each session has a name");
  assertStringIncludes(shownEvents!.map((row) => row[1]).join(), "and 9500 more characters");
  assertEquals(damage!.map(([file, , , reason]) => [file, reason]), [[path, "not JSON"]]);
});

const LOOKS = [
  { name: "a light phone", width: 360, colorScheme: "light", register: browserTest },
  { name: "a dark desktop", width: 1280, colorScheme: "dark", register: longBrowserTest },
  { name: "a light wall screen", width: 2560, colorScheme: "light", register: longBrowserTest },
] as const;
const LOGS: [name: string, events: AuditEvent[]][] = [
  ["nothing", []],
  ["one event", [{ ts: "2026-02-13T14:30:22.123Z", event: "nav", cost: 0.25, model: "small" }]],
  ["a day and more", randomEvents()],
];

for (const { name, width, colorScheme, register } of LOOKS) {
  await register(
    `The page is accessible, fits the width of ${name}, and makes no requests`,
    async (browser) => {
      for (const [what, events] of LOGS) {
        using dir = tempDir();
        const path = dir.path("audit.jsonl");
        Deno.writeTextFileSync(path, events.map((event) => `${JSON.stringify(event)}\n`).join(""));
        const url = await writeReport(dir, path, { budgetPerHour: 5 });
        const viewport = { width, height: 900 };
        await using shown = await openPage(browser, url, { viewport, colorScheme });
        const { page, requests, messages } = shown;
        for (const summary of await page.locator("summary").all()) {
          await summary.focus();
          await page.keyboard.press("Enter");
        }
        await assertAccessible(page);
        assertEquals([requests, messages], [[], []], what);
        const shownWidth = await page.evaluate<number>("document.documentElement.scrollWidth");
        assertEquals(shownWidth, width, what);
        const charts = page.locator(".chart svg:visible");
        const expected = { "nothing": 0, "one event": 4, "a day and more": 6 }[what];
        assertEquals(await charts.count(), expected, what);
      }
    },
  );
}
