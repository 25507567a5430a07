import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { type AuditEvent, AuditLog, AuditReader } from "@vivarium/scout";
import { serveReport } from "@vivarium/scout/report";
import { LastEvents } from "../../src/report/last_events.ts";
import { lastOfLogs, namedLogs, severalLogs } from "../../src/report/several_logs.ts";
import { silent } from "../loggers.ts";
import { SeededRandom } from "../seeded_random.ts";
import { tempDir } from "../temp_dir.ts";

const START_MS = Date.UTC(2026, 1, 13, 14);

/** Opens readers of several logs, each with events at every third second, one second after the log before. */
async function openLogs(stack: AsyncDisposableStack, names: readonly string[]) {
  const dir = stack.use(tempDir());
  const readers: AuditReader[] = [];
  for (const [place, name] of names.entries()) {
    const path = dir.path(name);
    let nowMs = START_MS + 1_000 * place;
    await using log = await AuditLog.open({ path, now: () => nowMs, logger: silent });
    for (let n = 0; n < 40; n++, nowMs += 3_000) {
      await log.log(`${name}-${n}`, { cost: place + 1, agent: `agent-${place}` });
      if (n === 20) await log.rotate();
    }
    readers.push(stack.use(await AuditReader.open({ path, logger: silent })));
  }
  return { dir, readers };
}

Deno.test("namedLogs() names logs by their files, or by their paths if two files have the same name", async () => {
  await using stack = new AsyncDisposableStack();
  const { dir, readers } = await openLogs(stack, ["a.jsonl", "b/a.jsonl", "b/c.jsonl"]);
  const names = (...places: number[]) =>
    namedLogs(places.map((place) => readers[place]!)).map(({ name }) => name);
  assertEquals(names(0, 2), ["a.jsonl", "c.jsonl"]);
  assertEquals(names(0, 1), [dir.path("a.jsonl"), dir.path("b/a.jsonl")]);
});

Deno.test("severalLogs() yields the events of each log with its name, and lists the damage of all logs", async () => {
  await using stack = new AsyncDisposableStack();
  const { dir, readers } = await openLogs(stack, ["a.jsonl", "b.jsonl"]);
  for (const name of ["a.jsonl", "b.jsonl"]) {
    Deno.writeTextFileSync(dir.path(name), "torn\n", { append: true });
  }
  const events = severalLogs(namedLogs(readers)).query({ where: ({ cost }) => cost! > 0 });
  const found = await Array.fromAsync(events);
  assertEquals(found.length, 80);
  for (const { event, scout_log } of found) {
    assertStringIncludes(event!, `${scout_log}-`);
  }
  assertEquals(events.damage.map(({ path }) => path), readers.map(({ path }) => path));
});

Deno.test("lastOfLogs() returns the newest events of all logs, and LastEvents the same", async () => {
  await using stack = new AsyncDisposableStack();
  const { readers } = await openLogs(stack, ["a.jsonl", "b.jsonl", "c.jsonl"]);
  const logs = namedLogs(readers);
  const typesOf = (events: readonly AuditEvent[]) => events.map(({ event }) => event);
  const expected = Array.from({ length: 120 }, (_, n) => {
    return `${"cba"[n % 3]}.jsonl-${39 - Math.floor(n / 3)}`;
  });
  for (const count of [1, 50, 120, 500]) {
    assertEquals(typesOf(await lastOfLogs(logs, { count })), expected.slice(0, count));
    const last = new LastEvents(count, { hasLogs: true });
    for await (const event of severalLogs(logs).query()) last.add(event, Date.parse(event.ts!));
    assertEquals(typesOf(last.newestFirst()), expected.slice(0, count));
  }
  assertEquals(typesOf(await lastOfLogs(logs.slice(0, 1), { count: 2 })), [
    "a.jsonl-39",
    "a.jsonl-38",
  ]);
});

Deno.test("LastEvents returns the events of one log in the order in which they were appended", () => {
  const random = new SeededRandom(2);
  for (const added of [0, 3, 5, 6, 12]) {
    const last = new LastEvents(5, { hasLogs: false });
    const events = Array.from({ length: added }, (_, n) => ({ event: `${n}` }));
    for (const event of events) last.add(event, random.below(9));
    assertEquals(last.newestFirst(), events.slice(-5).reverse());
  }
});

/** Resolves with the text of a page as soon as it contains a number of events. */
async function pageWith(url: URL, events: number): Promise<string> {
  for (let asked = 0; asked < 500; asked++) {
    const page = await (await fetch(url)).text();
    if (page.includes(`<b id="event-count">${events}</b>`)) return page;
  }
  throw new Error(`no page with ${events} events`);
}

Deno.test("serveReport() shows several logs on one page, and each of them alone", async () => {
  await using stack = new AsyncDisposableStack();
  const { dir, readers } = await openLogs(stack, ["a.jsonl", "b.jsonl"]);
  await using server = serveReport(readers);
  const at = (address: string) => new URL(address, server.url);
  const all = await pageWith(at("/"), 80);
  assertStringIncludes(all, '<b id="usd">$120.00</b>');
  assertStringIncludes(all, `Log: <bdi>${dir.path("a.jsonl")}, ${dir.path("b.jsonl")}</bdi>`);
  assertMatch(all, /<a href="\?log=b.jsonl"><bdi>b.jsonl<\/bdi><\/a><\/th><td class="number">\$80/);
  assertStringIncludes(all, '<input name="log"');
  const one = await pageWith(at("/?log=b.jsonl"), 40);
  assertStringIncludes(one, '<b id="usd">$80.00</b>');
  assertStringIncludes(one, `Log: <bdi>${dir.path("b.jsonl")}</bdi>`);
  await pageWith(at("/?log=a.jsonl&agent=agent-0"), 40);
  await pageWith(at("/?log=a.jsonl&agent=agent-1"), 0);
  await pageWith(at("/?agent=agent-1"), 40);
  const list = await (await fetch(at("/last?count=2"))).text();
  assert(list.indexOf("b.jsonl-39") < list.indexOf("a.jsonl-39"), list);
  const response = await fetch(at("/?log=c.jsonl"));
  assertEquals([response.status, await response.text()], [
    400,
    'Cannot filter report: log "c.jsonl" is unknown; use one of a.jsonl, b.jsonl',
  ]);
});

Deno.test("serveReport() shows the budgets of each log, and rejects a list without readers", async () => {
  await using stack = new AsyncDisposableStack();
  const { dir, readers } = await openLogs(stack, ["a.jsonl", "b.jsonl"]);
  for (const name of ["a.jsonl", "b.jsonl"]) {
    await using log = await AuditLog.open({ path: dir.path(name), logger: silent });
    await log.budget({ name: "run", limit: { usd: 5 } });
  }
  await using server = serveReport(readers);
  let page = "";
  for (let asked = 0; asked < 500 && !page.includes("b.jsonl: run"); asked++) {
    page = await (await fetch(server.url)).text();
  }
  assertStringIncludes(page, "a.jsonl: run");
  assertThrows(() => serveReport([]), TypeError, "the list of readers is empty");
});
