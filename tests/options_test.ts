import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { dirname, fromFileUrl, join } from "@std/path";
import type { Logger } from "../src/logger.ts";
import { type AuditLogOptions, resolveOptions } from "../src/options.ts";
import { tempDir } from "./temp_dir.ts";

const HOME = Deno.build.os === "windows" ? "USERPROFILE" : "HOME";

/** Runs the section with the variable of the home directory set so. */
function withHome(home: string | undefined, section: () => void): void {
  const before = Deno.env.get(HOME);
  try {
    if (home === undefined) Deno.env.delete(HOME);
    else Deno.env.set(HOME, home);
    section();
  } finally {
    if (before === undefined) Deno.env.delete(HOME);
    else Deno.env.set(HOME, before);
  }
}

Deno.test("resolveOptions() fills in the defaults", () => {
  withHome(join(Deno.cwd(), "home"), () => {
    const { path, sessionId, now, logger, ...others } = resolveOptions({});
    assertEquals(path, join(Deno.cwd(), "home", ".scout", "audit.jsonl"));
    assertEquals(sessionId, undefined);
    assertEquals(now, Date.now);
    assertEquals(typeof logger.error, "function");
    assertEquals(others, {
      rotationSizeBytes: 10 * 1024 * 1024,
      fsyncEveryNLines: 10,
      fsyncIntervalSec: 1,
      lockTimeoutSec: 2,
      maxPendingBytes: 8 * 1024 * 1024,
      maxLineBytes: 16 * 1024 * 1024,
      chain: false,
      retention: {},
      redact: undefined,
    });
  });
});

const BAD: [option: string, value: unknown][] = [
  ["rotationSizeBytes", 0],
  ["rotationSizeBytes", 1.5],
  ["rotationSizeBytes", Infinity],
  ["rotationSizeBytes", "10"],
  ["fsyncEveryNLines", 0],
  ["fsyncEveryNLines", -1],
  ["fsyncEveryNLines", 1.5],
  ["fsyncEveryNLines", NaN],
  ["fsyncEveryNLines", "10"],
  ["fsyncIntervalSec", -1],
  ["fsyncIntervalSec", NaN],
  ["fsyncIntervalSec", 2 ** 31],
  ["fsyncIntervalSec", "1"],
  ["lockTimeoutSec", -0.5],
  ["lockTimeoutSec", Infinity],
  ["maxPendingBytes", -1],
  ["maxPendingBytes", 0.5],
  ["maxLineBytes", 0],
  ["maxLineBytes", Infinity],
  ["sessionId", ""],
  ["sessionId", 7],
  ["now", 5],
  ["path", ""],
  ["path", 5],
  ["path", "a\0b"],
  ["path", new URL("https://example.com/audit.jsonl")],
  ["chain", "yes"],
  ["retention", 5],
  ["redact", 5],
];
const NOT_NUMBERS = ["path", "now", "sessionId", "retention", "redact"];
for (const [option, value] of BAD) {
  Deno.test(`resolveOptions() names ${option} and its value ${JSON.stringify(value)}`, () => {
    const { message } = assertThrows(
      () => resolveOptions({ path: "a.jsonl", [option]: value } as AuditLogOptions),
      typeof value === "number" && !NOT_NUMBERS.includes(option) ? RangeError : Error,
    );
    assertStringIncludes(message, `Cannot open audit log as ${option} must be `);
    assertStringIncludes(message, value === "a\0b" ? "a\\u0000b" : String(value));
  });
}

const BAD_INSIDE: [options: Record<string, unknown>, message: string][] = [
  [{ retention: { archivesMax: 0 } }, "retention.archivesMax must be an integer >= 1: 0"],
  [{ retention: { archivesMax: "5" } }, "retention.archivesMax must be a number"],
  [{ retention: { bytesMax: 0.5 } }, "retention.bytesMax must be an integer >= 0: 0.5"],
  [{ retention: { ageMaxSec: -1 } }, "retention.ageMaxSec must be seconds >= 0: -1"],
  [{ retention: { ageMaxSec: NaN } }, "retention.ageMaxSec must be seconds >= 0: NaN"],
  [{ retention: { ageMax: 1 } }, 'retention has no such limit: "ageMax"'],
  [{ redact: ["a", 5] }, "redact must hold names and paths: 5"],
  [{ redact: ["a", undefined] }, "redact must hold names and paths: undefined"],
  [{ redact: [""] }, 'redact must hold names and paths: ""'],
  [{ redact: ["a..b"] }, 'redact must hold names and paths: "a..b"'],
];
for (const [options, message] of BAD_INSIDE) {
  Deno.test(`resolveOptions() says what is wrong with ${JSON.stringify(options)}`, () => {
    const error = assertThrows(
      () => resolveOptions({ path: "a.jsonl", ...options } as AuditLogOptions),
      Error,
    );
    assertStringIncludes(error.message, message);
  });
}

Deno.test("resolveOptions() names the methods that a logger must have", () => {
  const logger = { debug() {}, info() {}, warn() {} } as unknown as Logger;
  assertThrows(
    () => resolveOptions({ path: "a.jsonl", logger }),
    TypeError,
    "logger must have the methods debug, info, warn, error: an object",
  );
});

Deno.test("resolveOptions() takes the bounds of each number", () => {
  const resolved = resolveOptions({
    path: "a.jsonl",
    fsyncEveryNLines: 1,
    fsyncIntervalSec: 0,
    lockTimeoutSec: 0,
    maxPendingBytes: 0,
    maxLineBytes: 1,
  });
  assertEquals(resolved.fsyncEveryNLines, 1);
  assertEquals(resolved.fsyncIntervalSec, 0);
  assertEquals(resolved.lockTimeoutSec, 0);
  assertEquals(resolved.maxPendingBytes, 0);
  assertEquals(resolved.maxLineBytes, 1);
});

Deno.test("resolveOptions() makes a relative path absolute, so that chdir changes nothing", () => {
  using dir = tempDir();
  const before = Deno.cwd();
  const { path } = resolveOptions({ path: "./x/../logs/a.jsonl" });
  Deno.chdir(dirname(dir.path("x")));
  try {
    assertEquals(path, join(before, "logs", "a.jsonl"));
    assertEquals(resolveOptions({ path: "a.jsonl" }).path, dir.path("a.jsonl"));
  } finally {
    Deno.chdir(before);
  }
});

Deno.test("resolveOptions() takes a file URL with what it encodes", () => {
  const url = new URL("./a%20b%25c%20%C3%BC.jsonl", import.meta.url);
  const path = join(dirname(fromFileUrl(import.meta.url)), "a b%c ü.jsonl");
  assertEquals(resolveOptions({ path: url }).path, path);
});

Deno.test("resolveOptions() expands ~ at the start alone", () => {
  const home = join(Deno.cwd(), "home");
  withHome(home, () => {
    assertEquals(resolveOptions({ path: "~/a.jsonl" }).path, join(home, "a.jsonl"));
    assertEquals(resolveOptions({ path: "~a.jsonl" }).path, join(Deno.cwd(), "~a.jsonl"));
    assertEquals(resolveOptions({ path: "x/~/a.jsonl" }).path, join(Deno.cwd(), "x/~/a.jsonl"));
  });
});

for (const home of [undefined, ""]) {
  Deno.test(`resolveOptions() names the variable when the home directory is ${home}`, () => {
    withHome(home, () => {
      const { message } = assertThrows(() => resolveOptions({}), TypeError);
      assertStringIncludes(message, `${HOME} is not set`);
      assertStringIncludes(message, "path option");
      assert(resolveOptions({ path: "a.jsonl" }).path.endsWith("a.jsonl"));
    });
  });
}

for (const path of ["/", "logs/", "x/../"]) {
  Deno.test(`resolveOptions() refuses ${path} as it names a directory`, () => {
    assertThrows(() => resolveOptions({ path }), TypeError, "path names a directory");
  });
}
