import { AuditReader } from "@vivarium/scout";
import { assertEquals, assertMatch } from "@std/assert";
import { AuditLog } from "@vivarium/scout";
import { silent } from "../loggers.ts";
import type { CommandResult } from "../run_command.ts";
import { runProgram } from "../run_program.ts";
import { linesOf } from "../temp_dir.ts";
import { logWith, MAIN, runCli } from "./run_cli.ts";

const TS = "2026-02-13T14:30:00.000Z";
const BEGUN = [
  { ts: TS, event: "turn_begin", session_id: "killed", span: "3f9c01d2" },
  { ts: TS, event: "tool_call_begin", session_id: "killed", span: "3f9c0777", parent: "3f9c01d2" },
  { ts: TS, event: "tool_call_begin", session_id: "killed", span: "3f9c07" },
  { ts: TS, event: "tool_call_begin", session_id: "killed", span: "ended" },
  { ts: TS, event: "tool_call", session_id: "killed", span: "ended" },
];

/** Runs `scout inflight end` with permission to write the directory of the log. */
function end(log: ReturnType<typeof logWith>, ...args: readonly string[]): Promise<CommandResult> {
  return runProgram(MAIN, {
    dir: log.dir.path(""),
    args: ["inflight", "end", "--path", log.path, "--tz", "UTC", ...args],
  });
}

async function openIn(path: string): Promise<[span: string, lastSeen: unknown][]> {
  await using reader = await AuditReader.open({ path, logger: silent });
  const open = await Array.fromAsync(reader.unfinished());
  return open.map(({ span, lastSeen }) => [span, lastSeen]);
}

Deno.test("scout inflight end logs the end of a call, with the session ID of the call", async () => {
  using log = logWith(...BEGUN);
  const args = ["--status", "error", "--cost", "0.02", "--reason", "machine lost"];
  const { code, stdout, stderr } = await end(log, "3f9c0777", ...args);
  assertEquals([code, stderr], [0, ""]);
  assertEquals(
    stdout,
    "Ended tool_call 3f9c0777, which began 2026-02-13 14:30:00, with status error\n",
  );
  const { ts: _, ...logged } = JSON.parse(linesOf(log.path).at(-1)!);
  assertEquals(logged, {
    event: "tool_call",
    session_id: "killed",
    cost: 0.02,
    reason: "machine lost",
    status: "error",
    span: "3f9c0777",
    parent: "3f9c01d2",
    ended_by: "scout inflight end",
  });
  // The end that the command logged does not count as activity of the session, so `lastSeen` stays the same.
  assertEquals(await openIn(log.path), [["3f9c01d2", TS], ["3f9c07", TS]]);
});

Deno.test("scout inflight end accepts a prefix of an ID, and an ID that is itself the prefix of another ID", async () => {
  using log = logWith(...BEGUN);
  assertEquals((await end(log, "3f9c01")).code, 0);
  const { code, stdout } = await end(log, "3f9c07", "--json");
  assertEquals([code, JSON.parse(stdout)], [0, {
    event: "tool_call",
    span: "3f9c07",
    session_id: "killed",
    status: "aborted",
    lastSeen: TS,
  }]);
  assertEquals((await openIn(log.path)).map(([span]) => span), ["3f9c0777"]);
});

Deno.test("scout inflight end logs a single end, even if several processes end the same call at once", async () => {
  using log = logWith(...BEGUN);
  const results = await Promise.all([1, 2, 3, 4].map(() => end(log, "3f9c01d2", "--cost", "5")));
  assertEquals(results.map(({ code }) => code).sort(), [0, 1, 1, 1]);
  assertEquals(linesOf(log.path).length, BEGUN.length + 1);
});

Deno.test("scout inflight end --event selects a call by its type if several calls have the same ID", async () => {
  using log = logWith(...BEGUN, { ...BEGUN[0], event: "llm_call_begin" });
  assertEquals((await end(log, "3f9c01d2")).code, 1);
  assertEquals((await end(log, "3f9c01d2", "--event", "llm_call")).code, 0);
  assertEquals(JSON.parse(linesOf(log.path).at(-1)!).event, "llm_call");
});

Deno.test("scout inflight end changes nothing if the ID is ambiguous, unknown or too short, or the call has ended", async () => {
  using log = logWith(...BEGUN);
  const unknown = (id: string) =>
    `scout: Cannot end call: no unfinished call has this ID, got ${id}; run "scout inflight" to list the unfinished calls\n`;
  const refused: [id: string, code: number, stderr: string][] = [
    [
      "3f9c",
      1,
      "scout: Cannot end call: 3 unfinished calls have this ID, got 3f9c; use more characters of one, or --event\n" +
      "  3f9c01d2  turn\n  3f9c0777  tool_call\n  3f9c07  tool_call\n",
    ],
    ["3f9c01d23", 1, unknown("3f9c01d23")],
    ["ended", 1, unknown("ended")],
    ["\u001b[31m", 1, unknown("\\u001b[31m")],
    [
      "3f9",
      2,
      'scout: Cannot run scout inflight end: `SPAN`: "3f9" is not the ID of a call or at least 4 characters of it; run "scout inflight" to list the IDs\n',
    ],
  ];
  for (const [id, code, stderr] of refused) {
    const result = await end(log, id);
    assertEquals([result.code, result.stdout, result.stderr], [code, "", stderr]);
  }
  const cost = await end(log, "ended", "--cost", "-1");
  assertEquals([cost.code, cost.stderr.includes('"-1" is not a number >= 0')], [2, true]);
  assertEquals(linesOf(log.path).length, BEGUN.length);
});

Deno.test("scout inflight end continues the hash chain of the log, and warns if the session of the call is still active", async () => {
  using log = logWith();
  {
    await using writer = await AuditLog.open({ path: log.path, chain: true, logger: silent });
    await writer.begin("turn");
    await writer.begin("tool_call");
  }
  const [[turn], [call]] = await openIn(log.path) as [[string, unknown], [string, unknown]];
  for (const id of [turn, call]) {
    const { code, stderr } = await end(log, id);
    assertEquals(code, 0, stderr);
    assertMatch(
      stderr,
      /^scout: the session of this call logged an event \d+ seconds? ago; if its process is still running, .*\n$/,
    );
  }
  await using reader = await AuditReader.open({ path: log.path, logger: silent });
  const { ok, lines } = await reader.verify();
  assertEquals([ok, lines, await openIn(log.path)], [true, 4, []]);
});

Deno.test("scout inflight end names the missing permission flags", async () => {
  using log = logWith(...BEGUN);
  const dir = log.dir.path("");
  const { code, stderr } = await runCli(["inflight", "end", "ended", "--path", log.path], dir);
  assertEquals([code, stderr.startsWith("scout: Cannot end call")], [1, true]);
  const refused = await runCli(["inflight", "end", "3f9c01", "--path", log.path], dir);
  assertEquals([refused.code, refused.stderr], [
    2,
    `scout: Cannot open audit log: run again with --allow-read=${dir} --allow-write=${dir}\n`,
  ]);
});
