/**
 * Compares the filtered pages of a server with reports on the events that a query selects.
 */
import { assertEquals } from "@std/assert";
import { type AuditEvent, AuditLog, AuditReader, type AuditSpan } from "@vivarium/scout";
import { serveReport } from "@vivarium/scout/report";
import { reportOn } from "../../src/report/render_report.ts";
import { addressOf, type ReportFilter, shownFilter } from "../../src/report/report_filter.ts";
import { sampledTest } from "../extent.ts";
import { silent } from "../loggers.ts";
import { SeededRandom } from "../seeded_random.ts";
import { tempDir } from "../temp_dir.ts";

const START_MS = Date.UTC(2026, 1, 13, 10);
const MINUTE_MS = 60_000;
const REASONS = ["timeout after 3 s", "timeout after 5 s", "no file", 'a "quoted" <reason>'];
/** The sections that may differ: those with the title of the page, and the list of events without links. */
const SECTIONS = [
  "spend-table",
  "accuracy-table",
  "timeline-table",
  "latency-table",
  "types-table",
  "tokens-table",
  "groups",
  "failures",
  "unfinished",
  "budgets",
  "sessions",
  "events",
];

/** Writes a log of random events in several archives, with a budget and calls that have not ended. */
async function writeLog(path: string, random: SeededRandom): Promise<void> {
  let nowMs = START_MS;
  const stepMs = [1_000, 30 * MINUTE_MS][random.below(2)]!;
  await using log = await AuditLog.open({ path, now: () => nowMs, logger: silent });
  const spans: AuditSpan[] = [];
  for (let n = 0; n < 150; n++) {
    nowMs += random.below(stepMs);
    const some = (fields: object) => random.below(3) === 0 ? {} : fields;
    const who = {
      ...some({ agent: random.pick({ a: 1, "b & c": 1, '"d"': 1 }) }),
      ...some({ model: random.pick({ large: 1, small: 1 }) }),
      ...some({ session_id: `s${random.below(3)}` }),
    };
    const fields = {
      ...who,
      ...some({ cost: random.below(1_000) / 7, duration_ms: random.below(9_000) }),
      ...random.below(5) === 0 ? { status: "error", error: REASONS[random.below(4)] } : {},
    };
    if (random.below(10) === 0) spans.push(await log.begin("tool_call", who));
    // The event that ends a call does not have the agent of the event that began it.
    if (random.below(12) === 0) await spans.pop()?.end({ status: "ok" });
    else await log.log(random.pick({ llm_call: 3, nav: 2, validation_fail: 1 }), fields);
    if (random.below(30) === 0) await log.rotate();
    if (random.below(60) === 0) await log.budget({ name: "run", limit: { usd: 9 } });
  }
}

function randomFilter(random: SeededRandom): ReportFilter {
  const some = (one: number, filter: ReportFilter) => random.below(one) === 0 ? filter : {};
  const time = (from: number) =>
    new Date(START_MS + (from + random.below(40)) * 15 * MINUTE_MS).toISOString();
  return {
    ...some(3, { agent: random.pick({ a: 1, "b & c": 1, '"d"': 1, nobody: 1 }) }),
    ...some(4, { model: "large" }),
    ...some(5, { session: "s1" }),
    ...some(4, { type: random.pick({ llm_call: 1, nav: 1, tool_call_begin: 1 }) }),
    ...some(5, { reason: random.pick({ "timeout after <n> s": 2, "no file": 1 }) }),
    ...some(5, { text: random.pick({ "QUOTED": 1, "b & C": 1, '"d': 1 }) }),
    ...some(3, { since: time(0) }),
    ...some(3, { until: time(41) }),
  };
}

/** Checks whether an event matches a filter without a time range. Does not use the code of the server. */
function matches(event: AuditEvent, { agent, model, session, type, reason, text }: ReportFilter) {
  const isWanted = (value: unknown, wanted: string | undefined) =>
    wanted === undefined || value === wanted;
  const failed = event["status"] === "error" || event.event === "validation_fail";
  const shown = String(event["error"] ?? "(no reason)").replace(/\d/, "<n>");
  return !event.event!.startsWith("budget_") &&
    isWanted(event.agent, agent) && isWanted(event.model, model) &&
    isWanted(event.session_id, session) && isWanted(event.event, type) &&
    (reason === undefined || (failed && shown === reason)) &&
    (text === undefined ||
      Object.values(event).some((value) =>
        String(value).toLowerCase().includes(text.toLowerCase())
      ));
}

/** Returns the number of calls that match a filter and have not ended. */
function unfinishedIn(events: readonly AuditEvent[], select: (event: AuditEvent) => boolean) {
  const ended = new Set(
    events.filter(({ event }) => event === "tool_call").map(({ span }) => span),
  );
  return events.filter((event) =>
    event.event === "tool_call_begin" && select(event) && !ended.has(event.span)
  ).length;
}

/** Returns the number in a figure of a page. */
function numberOf(page: string, id: string): number {
  return Number(new RegExp(`id="${id}">([^<]*)<`).exec(page)![1]);
}

/** Returns the sections of a page by their identifiers, without their links. */
function sectionsOf(page: string): Record<string, string> {
  const plain = page.replaceAll(/<a href="[^"]*">(.*?)<\/a>/gs, "$1");
  return Object.fromEntries(SECTIONS.map((id) => {
    const [, text = "missing"] = new RegExp(`id="${id}"[^>]*>(.*?)</div>`, "s").exec(plain) ?? [];
    return [id, text];
  }));
}

function isSame(page: string, expected: string): boolean {
  return JSON.stringify(sectionsOf(page)) === JSON.stringify(sectionsOf(expected));
}

await sampledTest(
  "A filtered page of a server shows the figures of a report on the events that match the filter",
  0.05,
  async (extent) => {
    for (const seed of extent.seeds(60)) {
      const random = new SeededRandom(seed);
      using dir = tempDir();
      const path = dir.path("audit.jsonl");
      await writeLog(path, random);
      await using reader = await AuditReader.open({ path, logger: silent });
      const timeZone = random.pick({ "UTC": 1, "Asia/Kathmandu": 1 });
      await using server = serveReport(reader, { timeZone });
      for (let n = 0; n < 6; n++) {
        const filter = randomFilter(random);
        const place = `seed ${seed}, ${shownFilter(filter)}`;
        const { since, until, ...fields } = filter;
        const range = {
          ...since === undefined ? {} : { since },
          ...until === undefined ? {} : { until },
        };
        const isWhole = Object.keys(fields).length === 0;
        const select = (event: AuditEvent) => matches(event, fields);
        const { page: expected } = await reportOn(
          reader,
          { timeZone, ...range },
          isWhole ? {} : { select },
        );
        const open = unfinishedIn(await reader.query(range).toArray(), select);
        assertEquals(numberOf(expected, "unfinished-count"), open, place);
        // The first pages of a filter may be drawn before all events are read.
        let page = "";
        for (let asked = 0; asked < 500 && !isSame(page, expected); asked++) {
          page = await (await fetch(new URL(addressOf(filter), server.url))).text();
        }
        assertEquals(sectionsOf(page), sectionsOf(expected), place);
      }
    }
  },
);
