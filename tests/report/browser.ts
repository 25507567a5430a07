/**
 * Opens pages in a real headless browser, and records the network requests and the console messages of each page.
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

/** Registers a test that opens pages in a browser, and is skipped if Chromium is not installed. */
export function browserTest(name: string, test: BrowserTest): Promise<void> {
  return testNeeding("chromium", name, () => withBrowser(test));
}

/** Registers a test that opens pages in a browser, and that only the long suite runs. */
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

/** An open page, with the recorded requests and messages. */
export interface WatchedPage extends AsyncDisposable {
  readonly page: Page;
  /** The URLs that the page requested. The URL of the page itself is not listed. */
  readonly requests: string[];
  /** The messages of the page on the console, including errors and policy violations, and its dialogs. */
  readonly messages: string[];
}

/** Opens a URL in a new browser context. */
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

/** Checks that the tool axe finds no accessibility problem on the page. */
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

/** Resolves with the text of an element. */
export async function textOf(page: Page, selector: string): Promise<string> {
  return await page.locator(selector).innerText();
}

/** Resolves with the cells in the body of a table, row by row. */
export async function cellsOf(page: Page, selector: string): Promise<string[][]> {
  return await page.locator(`${selector} tbody tr`).evaluateAll((rows) =>
    rows.map((row) => [...row.children].map((cell) => cell.textContent ?? ""))
  );
}
