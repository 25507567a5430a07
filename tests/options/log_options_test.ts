import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { dirname, fromFileUrl, join } from "@std/path";
import type { Logger } from "../../src/logger.ts";
import { type AuditLogOptions, resolveOptions } from "../../src/options/log_options.ts";
import { denoDir, runProgram } from "../run_program.ts";

const RESOLVES_OPTIONS = fromFileUrl(new URL("../programs/resolves_options.ts", import.meta.url));
const HOME = Deno.build.os === "windows" ? "USERPROFILE" : "HOME";

/** Runs a program whose home directory variable is `home`. Returns the paths or errors that the program prints. */
async function resolvedAtHome(home: string | undefined, ...paths: string[]): Promise<unknown[]> {
  const { [HOME]: _own, ...env } = Deno.env.toObject();
  if (home !== undefined) env[HOME] = home;
  const result = await runProgram(RESOLVES_OPTIONS, {
    dir: "",
    args: paths,
    flags: [`--allow-read=${Deno.cwd()}`, `--allow-env=${HOME}`],
    env: { ...env, DENO_DIR: await denoDir() },
  });
  assertEquals(result.code, 0, result.stderr);
  return result.stdout.trim().split("\n").map((line) => JSON.parse(line));
}

Deno.test("resolveOptions() fills in the defaults", () => {
  const { path: _path, sessionId, now, logger, ...others } = resolveOptions({ path: "a.jsonl" });
  assertEquals(sessionId, undefined);
  assertEquals(now, Date.now);
  assertEquals(typeof logger.error, "function");
  assertEquals(others, {
    rotationSizeBytes: 10 * 1024 * 1024,
    rotationAgeSec: Infinity,
    fsyncEveryNLines: 10,
    fsyncIntervalSec: 1,
    lockTimeoutSec: 2,
    maxPendingBytes: 8 * 1024 * 1024,
    maxLineBytes: 16 * 1024 * 1024,
    chain: false,
    retention: {},
    rollupFields: [],
    redact: undefined,
  });
});

const BAD: [option: string, value: unknown][] = [
  ["rotationSizeBytes", 0],
  ["rotationSizeBytes", 1.5],
  ["rotationSizeBytes", Infinity],
  ["rotationSizeBytes", "10"],
  ["rotationAgeSec", 0.5],
  ["rotationAgeSec", NaN],
  ["rotationAgeSec", "60"],
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
  Deno.test(`resolveOptions() rejects ${option} ${JSON.stringify(value)} and names the option and the value`, () => {
    const { message } = assertThrows(
      () => resolveOptions({ path: "a.jsonl", [option]: value } as AuditLogOptions),
      typeof value === "number" && !NOT_NUMBERS.includes(option) ? RangeError : TypeError,
    );
    assertStringIncludes(message, `Cannot open audit log: ${option} must be `);
    assertStringIncludes(message, value === "a\0b" ? "a\\u0000b" : String(value));
  });
}

const BAD_INSIDE: [options: Record<string, unknown>, message: string][] = [
  [{ retention: { maxArchives: 0 } }, "retention.maxArchives must be an integer >= 1, got 0"],
  [{ retention: { maxArchives: "5" } }, 'retention.maxArchives must be an integer >= 1, got "5"'],
  [{ retention: { maxBytes: 0.5 } }, "retention.maxBytes must be an integer >= 0, got 0.5"],
  [{ retention: { maxAgeSec: -1 } }, "retention.maxAgeSec must be a number >= 0 (seconds), got -1"],
  [
    { retention: { maxAgeSec: NaN } },
    "retention.maxAgeSec must be a number >= 0 (seconds), got NaN",
  ],
  [
    { retention: { ageMax: 1 } },
    'unknown option "retention.ageMax"; did you mean "retention.maxAgeSec"?',
  ],
  [{ retention: { untilShipped: 5 } }, "retention.untilShipped must be an object, got 5"],
  [
    { retention: { maxArchives: 1, untilShipped: {} } },
    "retention.untilShipped must have maxBytes or maxAgeSec, got neither",
  ],
  [
    { retention: { untilShipped: { maxBytes: 1 } } },
    "retention.untilShipped needs maxArchives, maxBytes or maxAgeSec in retention too, got none of them",
  ],
  [
    { retention: { maxArchives: 1, untilShipped: { maxBytes: -1 } } },
    "retention.untilShipped.maxBytes must be an integer >= 0, got -1",
  ],
  [
    { retention: { maxArchives: 1, untilShipped: { maxAgeSec: Infinity } } },
    "retention.untilShipped.maxAgeSec must be a number >= 0 (seconds), got Infinity",
  ],
  [
    { retention: { maxArchives: 1, untilShipped: { maxByte: 1 } } },
    'unknown option "retention.untilShipped.maxByte"; did you mean "retention.untilShipped.maxBytes"?',
  ],
  [
    { retention: { untilShiped: { maxBytes: 1 } } },
    'unknown option "retention.untilShiped"; did you mean "retention.untilShipped"?',
  ],
  [{ redact: ["a", 5] }, "redact[1] must be a name or a path without empty parts, got 5"],
  [
    { redact: ["a", undefined] },
    "redact[1] must be a name or a path without empty parts, got undefined",
  ],
  [{ redact: [""] }, 'redact[0] must be a name or a path without empty parts, got ""'],
  [{ redact: ["a..b"] }, 'redact[0] must be a name or a path without empty parts, got "a..b"'],
];
for (const [options, message] of BAD_INSIDE) {
  Deno.test(`resolveOptions() rejects ${JSON.stringify(options)} and names the invalid part`, () => {
    const error = assertThrows(
      () => resolveOptions({ path: "a.jsonl", ...options } as AuditLogOptions),
      Error,
    );
    assertStringIncludes(error.message, message);
  });
}

Deno.test("resolveOptions() rejects a logger that lacks a method, and lists the required methods", () => {
  const logger = { debug() {}, info() {}, warn() {} } as unknown as Logger;
  assertThrows(
    () => resolveOptions({ path: "a.jsonl", logger }),
    TypeError,
    "logger must be an object with the methods debug, info, warn, error, got an object",
  );
});

Deno.test("resolveOptions() accepts the smallest valid value of each numeric option", () => {
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

Deno.test("resolveOptions() resolves a relative path against the current directory", () => {
  const { path } = resolveOptions({ path: "./x/../logs/a.jsonl" });
  assertEquals(path, join(Deno.cwd(), "logs", "a.jsonl"));
});

Deno.test("resolveOptions() decodes the path of a file URL", () => {
  const url = new URL("./a%20b%25c%20%C3%BC.jsonl", import.meta.url);
  const path = join(dirname(fromFileUrl(import.meta.url)), "a b%c ü.jsonl");
  assertEquals(resolveOptions({ path: url }).path, path);
});

Deno.test("resolveOptions() expands ~ only at the start of a path, and uses the home directory by default", async () => {
  const home = join(Deno.cwd(), "home");
  assertEquals(await resolvedAtHome(home, "-", "~/a.jsonl", "~a.jsonl", "x/~/a.jsonl"), [
    join(home, ".scout", "audit.jsonl"),
    join(home, "a.jsonl"),
    join(Deno.cwd(), "~a.jsonl"),
    join(Deno.cwd(), "x/~/a.jsonl"),
  ]);
});

for (const home of [undefined, ""]) {
  Deno.test(`resolveOptions() says that the variable of the home directory is not set if its value is ${JSON.stringify(home)}`, async () => {
    const [refused, path] = await resolvedAtHome(home, "-", "a.jsonl");
    const { error } = refused as { error: string };
    assertStringIncludes(error, `${HOME} is not set`);
    assertStringIncludes(error, "path option");
    assertEquals(path, join(Deno.cwd(), "a.jsonl"));
  });
}

for (const path of ["/", "logs/", "x/../"]) {
  Deno.test(`resolveOptions() rejects ${path} because it names a directory`, () => {
    assertThrows(
      () => resolveOptions({ path }),
      TypeError,
      "path must name a file, got the directory",
    );
  });
}
