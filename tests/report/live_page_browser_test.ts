import { assert, assertEquals } from "@std/assert";
import { AuditLog, AuditReader } from "@vivarium/scout";
import { serveReport } from "@vivarium/scout/report";
import { silent } from "../loggers.ts";
import { tempDir } from "../temp_dir.ts";
import type { Browser, Page } from "playwright-core";
import { assertAccessible, browserTest, openPage, type WatchedPage } from "./browser.ts";
import { CuttableProxy } from "./cuttable_proxy.ts";
import { OtherWriter } from "./other_writer.ts";

await browserTest(
  "The live page shows events of another process, also after a rotation and a lost connection",
  async (browser) => {
    using dir = tempDir();
    const path = dir.path("audit.jsonl");
    await using writer = new OtherWriter(path);
    await writer.do("before");
    await using reader = await AuditReader.open({ path, logger: silent });
    await using server = serveReport(reader, { title: "Live" });
    await using proxy = new CuttableProxy(new URL(server.url));
    await using shown = await openPage(browser, proxy.url);
    const { page, requests, messages } = shown;
    const status = page.locator("#live");
    const newest = page.locator("#events tbody tr").first();
    await status.filter({ hasText: /^live$/ }).waitFor();

    await writer.do("written");
    await newest.filter({ hasText: "written" }).waitFor();
    await writer.do("rotate");
    await writer.do("rotated");
    await newest.filter({ hasText: "rotated" }).waitFor();
    assertEquals(messages, []);

    proxy.cut();
    await status.filter({ hasText: "connection lost" }).waitFor();
    await writer.do("meanwhile");
    proxy.mend();
    await newest.filter({ hasText: "meanwhile" }).waitFor();
    await status.filter({ hasText: /^live$/ }).waitFor();
    await writer.do("mended");
    await newest.filter({ hasText: "mended" }).waitFor();
    assertEquals(await page.locator("#event-count").innerText(), "5");
    assertEquals(await page.locator("#usd").innerText(), "$1.25");
    // The browser itself logs a message for each failed connection. These messages are not errors of the page.
    assertEquals(messages.filter((message) => !message.includes("net::ERR_")), []);
    const asked = new Set(requests.map((request) => new URL(request).pathname));
    assertEquals([...asked], ["/events"]);
  },
);

await browserTest("The live page reconnects to a restarted server", async (browser) => {
  using dir = tempDir();
  const path = dir.path("audit.jsonl");
  await using writer = new OtherWriter(path);
  await writer.do("before");
  await using reader = await AuditReader.open({ path, logger: silent });
  const first = serveReport(reader);
  const port = Number(new URL(first.url).port);
  await using shown = await openPage(browser, first.url);
  const { page } = shown;
  const status = page.locator("#live");
  await status.filter({ hasText: /^live$/ }).waitFor();
  await first.close();
  await status.filter({ hasText: "connection lost" }).waitFor();
  await writer.do("after");
  await using _second = serveReport(reader, { port });
  await page.locator("#events tbody tr").first().filter({ hasText: "after" }).waitFor();
  await status.filter({ hasText: /^live$/ }).waitFor();
});

await browserTest(
  "An update of the live page keeps the scroll position, focus, selection and open tables",
  async (browser) => {
    using dir = tempDir();
    const path = dir.path("audit.jsonl");
    let nowMs = Date.UTC(2026, 1, 13, 14);
    await using log = await AuditLog.open({ path, now: () => nowMs, logger: silent });
    for (let n = 0; n < 60; n++) await log.log(`event-${n}`, { cost: 0.25 });
    await using reader = await AuditReader.open({ path, logger: silent });
    await using server = serveReport(reader, { budgetPerHour: 1 });
    await using shown = await openPage(browser, server.url, {
      viewport: { width: 1280, height: 700 },
    });
    const { page, messages } = shown;
    await page.locator("#live").filter({ hasText: /^live$/ }).waitFor();
    await page.locator("summary").first().click();
    await page.locator("#events").focus();
    await page.evaluate(`{
    document.querySelector("#events").scrollTop = 120;
    const title = document.querySelector("#sessions-title");
    title.scrollIntoView();
    getSelection().selectAllChildren(title);
  }`);
    const place = () =>
      page.evaluate<Record<string, unknown>>(`({
      scrolled: document.querySelector("#events").scrollTop,
      focus: document.activeElement.id,
      selection: getSelection().toString(),
      isOpen: document.querySelector("details").open,
    })`);
    const top = () =>
      page.evaluate<number>(
        `document.querySelector("#events-title").getBoundingClientRect().top`,
      );
    const [before, topBefore] = [await place(), await top()];
    assertEquals([before["focus"], before["scrolled"], before["isOpen"]], ["events", 120, true]);
    // The table that was opened is above the list of events on the page. The next event adds rows to this table, so the
    // list would move down if the page did not scroll.
    nowMs += 600_000;
    await log.log("last", { cost: 0.25 });
    await page.locator("#events tbody tr").first().filter({ hasText: "last" }).waitFor({
      state: "attached",
    });
    assertEquals(await place(), before);
    // Browsers scroll by whole pixels, so a shift of less than a pixel is possible.
    const moved = await top() - topBefore;
    assert(Math.abs(moved) < 1, `moved by ${moved} px`);
    await assertAccessible(page);
    assertEquals(messages, []);
  },
);

await browserTest(
  "The live page updates selected text only after the text is deselected",
  async (browser) => {
    using dir = tempDir();
    const path = dir.path("audit.jsonl");
    await using writer = new OtherWriter(path);
    await writer.do("first");
    await using reader = await AuditReader.open({ path, logger: silent });
    await using server = serveReport(reader);
    await using shown = await openPage(browser, server.url);
    const { page } = shown;
    await page.locator("#live").filter({ hasText: /^live$/ }).waitFor();
    await page.evaluate(`getSelection().selectAllChildren(document.querySelector("#figures"))`);
    await writer.do("second");
    await page.locator("#events tbody tr").first().filter({ hasText: "second" }).waitFor();
    assertEquals(await page.locator("#event-count").innerText(), "1");
    await page.evaluate("getSelection().removeAllRanges()");
    await page.locator("#event-count").filter({ hasText: "2" }).waitFor();
  },
);

/** A live page of a log with events of several agents, in an open browser page. */
async function openLive(
  browser: Browser,
  stack: AsyncDisposableStack,
  log: (log: AuditLog) => Promise<void>,
): Promise<{ log: AuditLog } & WatchedPage> {
  const path = stack.use(tempDir()).path("audit.jsonl");
  let nowMs = Date.UTC(2026, 1, 13, 14);
  const now = () => nowMs += 1_000;
  const writer = stack.use(await AuditLog.open({ path, now, logger: silent }));
  await log(writer);
  const reader = stack.use(await AuditReader.open({ path, logger: silent }));
  const server = stack.use(serveReport(reader));
  // A page of a filter may be drawn before all events were read, so the first update may bring the rest.
  const shown = stack.use(await openPage(browser, server.url));
  await shown.page.locator("#live").filter({ hasText: /^live$/ }).waitFor();
  return Object.assign(shown, { log: writer });
}

async function count(page: Page, events: number): Promise<void> {
  await page.locator("#event-count").filter({ hasText: new RegExp(`^${events}$`) }).waitFor();
}

await browserTest(
  "The live page is filtered by a form, by bars and by names, and keeps the filter in its address",
  async (browser) => {
    await using stack = new AsyncDisposableStack();
    const hostile = `<img src=x onerror=alert(1)>&agent="'`;
    const { page, messages, requests, log } = await openLive(browser, stack, async (log) => {
      for (let n = 0; n < 60; n++) {
        const agent = n % 3 === 0 ? hostile : `agent-${n % 3}`;
        const failed = n % 5 === 0 ? { status: "error", error: `limit of ${n} calls` } : {};
        await log.log(n % 2 === 0 ? "llm_call" : "tool_call", {
          agent,
          cost: 1,
          model: "m",
          ...failed,
        });
      }
    });
    await count(page, 60);
    await page.locator("#filter summary").click();
    await assertAccessible(page);
    await page.locator("#filter input[name=agent]").fill("agent-1");
    await page.locator("#filter input[name=text]").fill("  ");
    await page.locator("#filter button").click();
    await count(page, 20);
    assertEquals(new URL(page.url()).search, "?agent=agent-1");
    assertEquals(await page.locator("#filter input[name=agent]").inputValue(), "agent-1");
    assertEquals(await page.locator("#filtered b").innerText(), "agent agent-1");
    await log.log("nav", { agent: "agent-2" });
    await log.log("nav", { agent: "agent-1" });
    await count(page, 21);

    await page.locator("#failures a").first().click();
    await count(page, 4);
    assertEquals(
      new URL(page.url()).searchParams.get("reason"),
      "limit of <n> calls",
    );
    await page.goBack();
    await count(page, 21);
    await page.locator("#filtered a").click();
    await count(page, 62);
    await page.locator("#groups a").filter({ hasText: "onerror" }).click();
    await count(page, 20);
    assertEquals(await page.locator("#filter input[name=agent]").inputValue(), hostile);
    await assertAccessible(page);

    // A form cannot contain control characters, so the page takes a value that was not changed from its address.
    await log.log("nav", { agent: "x\u0001y" });
    await page.locator("#filtered a").click();
    await page.locator("#groups a").filter({ hasText: "u0001" }).click();
    await count(page, 1);
    // The page before the click has the same content, so the test waits for the event of the next page.
    const loaded = page.waitForEvent("load");
    await page.locator("#filter button").click();
    await loaded;
    await count(page, 1);
    assertEquals(new URL(page.url()).searchParams.get("agent"), "x\u0001y");
    await page.goto(new URL("?agent=" + encodeURIComponent(hostile), page.url()).href);
    await count(page, 20);

    // Each bar stands for one second, and no two events are in the same second.
    await page.locator("#spend-chart rect[data-href]:visible").nth(3).click();
    await count(page, 1);
    const address = new URL(page.url()).searchParams;
    assertEquals([address.get("since"), address.get("until")], [
      "2026-02-13T14:00:04Z",
      "2026-02-13T14:00:05Z",
    ]);
    await page.locator("#types-chart rect[data-href]:visible").first().click();
    await page.waitForURL(/type=tool_call/);
    await count(page, 1);

    // A filter that the server refuses leaves the page and the form as they are.
    const before = page.url();
    await page.locator("#filter input[name=since]").fill("yesterday");
    await page.locator("#filter button").click();
    await page.locator("#refused").filter({ hasText: "since is not a time" }).waitFor();
    assertEquals(page.url(), before);
    assertEquals(await page.locator("#filter input[name=since]").inputValue(), "yesterday");
    messages.splice(0, messages.length, ...messages.filter((text) => !/status of 400/.test(text)));
    assertEquals(messages, []);
    const paths = new Set(requests.map((request) => new URL(request).pathname));
    assertEquals([...paths].sort(), ["/events", "/last"]);
  },
);

await browserTest(
  "The live page pauses, and then shows what was written meanwhile",
  async (browser) => {
    await using stack = new AsyncDisposableStack();
    const { page, log, messages } = await openLive(browser, stack, async (log) => {
      await log.log("first");
    });
    await count(page, 1);
    await page.locator("#pause").click();
    await page.locator("#live").filter({ hasText: "paused" }).waitFor();
    // A second page shows when the server has sent the events.
    const other = await page.context().newPage();
    await other.goto(page.url());
    await log.log("second");
    await count(other, 2);
    await log.log("third");
    await count(other, 3);
    assertEquals(await page.locator("#event-count").innerText(), "1");
    await page.locator("#pause").click();
    await count(page, 3);
    await page.locator("#live").filter({ hasText: /^live$/ }).waitFor();
    await log.log("fourth");
    await count(page, 4);
    assertEquals(messages, []);
  },
);

await browserTest(
  "The live page lists older events step by step, also while new events arrive",
  async (browser) => {
    await using stack = new AsyncDisposableStack();
    const { page, log, messages } = await openLive(browser, stack, async (log) => {
      for (let n = 0; n < 120; n++) await log.log(`event-${n}`);
    });
    await count(page, 120);
    const types = () => page.locator("#events tbody tr td:nth-child(2)").allInnerTexts();
    const last = page.locator("#events tbody tr").last();
    assertEquals((await types()).length, 50);
    await page.locator("#older").click();
    await last.filter({ hasText: "event-20" }).waitFor();
    await log.log("new");
    await page.locator("#events tbody tr").first().filter({ hasText: "new" }).waitFor();
    await last.filter({ hasText: "event-21" }).waitFor();
    await page.locator("#older").click();
    await last.filter({ hasText: "event-0" }).waitFor();
    const shown = await types();
    assertEquals([shown.length, shown[0], shown.at(-1)], [121, "new", "event-0"]);
    await page.locator("#older").waitFor({ state: "hidden" });
    assertEquals(messages, []);
  },
);

await browserTest(
  "A link of the live page keeps the focus when its table is updated",
  async (browser) => {
    await using stack = new AsyncDisposableStack();
    const { page, log } = await openLive(browser, stack, async (log) => {
      for (const agent of ["a", "b", "c"]) await log.log("llm_call", { agent, cost: 1 });
    });
    await count(page, 3);
    const link = page.locator("#groups a").filter({ hasText: "b" });
    await link.focus();
    await log.log("llm_call", { agent: "d", cost: 9 });
    await page.locator("#groups a").filter({ hasText: "d" }).waitFor();
    assertEquals(await page.evaluate<string>("document.activeElement.textContent"), "b");
    await page.keyboard.press("Enter");
    await count(page, 1);
  },
);

await browserTest("The live page shows hostile text of an event as text", async (browser) => {
  using dir = tempDir();
  const path = dir.path("audit.jsonl");
  await using log = await AuditLog.open({ path, logger: silent });
  await log.log("first");
  await using reader = await AuditReader.open({ path, logger: silent });
  await using server = serveReport(reader);
  await using shown = await openPage(browser, server.url);
  const { page, messages } = shown;
  await page.locator("#live").filter({ hasText: /^live$/ }).waitFor();
  const hostile = "</script><img src=x onerror=alert(1)><svg/onload=alert(2)>\u2028\ndata: x";
  await log.log(hostile, { model: hostile, session_id: hostile, cost: 1, [hostile]: hostile });
  const shownType = page.locator("#events tbody tr:first-child td").first();
  await shownType.filter({ hasText: "</script>" }).waitFor();
  assertEquals(
    await shownType.textContent(),
    hostile.replace("\u2028", "\\u2028").replace("\n", "\\n"),
  );
  assertEquals(await page.locator("img, script:not(:last-child)").count(), 0);
  await log.log("last");
  await shownType.filter({ hasText: "last" }).waitFor();
  assertEquals(messages, []);
});
