import { assert, assertEquals } from "@std/assert";
import { AuditLog, AuditReader } from "@vivarium/scout";
import { serveReport } from "@vivarium/scout/report";
import { silent } from "../loggers.ts";
import { tempDir } from "../temp_dir.ts";
import { assertAccessible, browserTest, openPage } from "./browser.ts";
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
