/**
 * A real browser without a window, and what it noticed of the pages that it was shown.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import axe from "axe-core";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { longTest } from "../extent.ts";
import { testNeeding } from "../requirements.ts";
import { findTool } from "../run_command.ts";

type BrowserTest = (browser: Browser) => Promise<void>;

/** Registers a test that needs the browser. */
export function browserTest(name: string, test: BrowserTest): Promise<void> {
  return testNeeding("chromium", name, () => withBrowser(test));
}

/** Registers a test of the long suite that needs the browser. */
export function longBrowserTest(name: string, test: BrowserTest): Promise<void> {
  return longTest(name, () => withBrowser(test), ["chromium"]);
}

async function withBrowser(test: BrowserTest): Promise<void> {
  const browser = await chromium.launch({ executablePath: (await findTool("chromium"))! });
  try {
    await test(browser);
  } finally {
    await browser.close();
  }
}

/** A page, and what was noticed of it. */
export interface WatchedPage extends AsyncDisposable {
  readonly page: Page;
  /** Where it asked for something, but for the page itself. */
  readonly requests: string[];
  /** What it said to the console, violations of its policy and errors among it; dialogs too. */
  readonly messages: string[];
}

/** Opens an address. */
export async function openPage(
  browser: Browser,
  url: string,
  options: Parameters<Browser["newContext"]>[0] = {},
): Promise<WatchedPage> {
  const context: BrowserContext = await browser.newContext(options);
  const page = await context.newPage();
  const requests: string[] = [];
  const messages: string[] = [];
  page.on("request", (request) => {
    if (!request.isNavigationRequest()) requests.push(request.url());
  });
  page.on("console", (message) => messages.push(message.text()));
  page.on("pageerror", (error) => messages.push(error.message));
  page.on("dialog", async (dialog) => {
    messages.push(`dialog: ${dialog.message()}`);
    await dialog.dismiss();
  });
  await page.goto(url);
  return { page, requests, messages, [Symbol.asyncDispose]: () => context.close() };
}

/** Has axe look for what keeps people from reading the page, and fails with what it finds. */
export async function assertAccessible(page: Page): Promise<void> {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate<{
    violations: { id: string; nodes: { target: unknown; failureSummary?: string }[] }[];
  }>("axe.run({ resultTypes: ['violations'] })");
  const found = violations.map(({ id, nodes }) =>
    `${id}: ${nodes.map(({ target, failureSummary }) => `${target} ${failureSummary}`).join("; ")}`
  );
  assertEquals(found, []);
}

/** The text of an element. */
export async function textOf(page: Page, selector: string): Promise<string> {
  return await page.locator(selector).innerText();
}

/** The cells of a table's body, row by row. */
export async function cellsOf(page: Page, selector: string): Promise<string[][]> {
  return await page.locator(`${selector} tbody tr`).evaluateAll((rows) =>
    rows.map((row) => [...row.children].map((cell) => cell.textContent ?? ""))
  );
}
