/**
 * A real browser without a window, and what it noticed of the pages that it was shown.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import axe from "axe-core";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { runCommand } from "../run_command.ts";

const COMMANDS = ["chromium", "chromium-browser", "google-chrome"];

/** The browser's program; null where there is none. */
const PROGRAM: string | null = await findProgram();

async function findProgram(): Promise<string | null> {
  if (Deno.build.os === "windows") return null;
  const looks = COMMANDS.map((command) => `command -v ${command}`).join(" || ");
  const { stdout } = await runCommand("sh", { args: ["-c", looks] });
  return stdout.trim() || null;
}

/** A test that needs the browser; where there is none it says how to get it, and does not run. */
export function browserTest(name: string, test: (browser: Browser) => Promise<void>): void {
  Deno.test({
    name: PROGRAM === null ? `${name} (needs: apt-get install chromium)` : name,
    ignore: PROGRAM === null,
    async fn() {
      const browser = await chromium.launch({ executablePath: PROGRAM! });
      try {
        await test(browser);
      } finally {
        await browser.close();
      }
    },
  });
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
