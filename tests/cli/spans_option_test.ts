import { AuditLog } from "@vivarium/scout";
import { assertEquals } from "@std/assert";
import { TextLineStream } from "@std/streams";
import { silent } from "../loggers.ts";
import { programArgs } from "../run_program.ts";
import { logWith, MAIN } from "./run_cli.ts";

const at = (second: number) => `2026-02-13T14:30:${`${second}`.padStart(2, "0")}.000Z`;
const event = (
  second: number,
  event: string,
  span: string,
  fields: Record<string, unknown> = {},
) => ({
  ts: at(second),
  event,
  session_id: "s",
  ...fields,
  span,
});

/**
 * Events of four calls: a turn that was killed, two tool calls within the turn, and a model call that began before
 * another event and ended after it.
 */
const LINES = [
  event(0, "turn_begin", "t", { agent: "critic" }),
  event(1, "tool_call_begin", "a", { parent: "t", tool: "search" }),
  event(3, "tool_call", "a", { duration_ms: 2_000, status: "ok", parent: "t" }),
  event(4, "llm_call_begin", "m", { model: "small" }),
  { ts: at(5), event: "nav", session_id: "s" },
  event(6, "tool_call_begin", "b", { parent: "t", tool: "fetch" }),
  event(7, "tool_call", "b", { duration_ms: 1_000, status: "error", error: "404", parent: "t" }),
  event(20, "llm_call", "m", { cost: 0.25, duration_ms: 16_000, status: "ok" }),
];

Deno.test("scout query --spans shows one row per call: start, duration, status, and the fields of both events", async () => {
  using log = logWith(...LINES);
  const { code, stdout, stderr } = await log.run("query", "--spans");
  assertEquals([code, stderr], [0, ""]);
  assertEquals(stdout.split("\n").map((line) => line.replaceAll(/ {2,}/g, "  ")), [
    "2026-02-13 14:30:01.000  tool_call  duration=2 s  status=ok  parent=t  tool=search  span=a",
    "2026-02-13 14:30:06.000  tool_call  error=404  duration=1 s  status=error  parent=t  tool=fetch  span=b",
    "2026-02-13 14:30:04.000  llm_call  $0.25  small  duration=16 s  status=ok  span=m",
    "2026-02-13 14:30:00.000  turn  status=unfinished  agent=critic  span=t",
    "",
  ]);
});

/** Runs `scout query --spans --json`, and resolves with the IDs of the calls. */
async function spansOf(log: ReturnType<typeof logWith>, ...args: readonly string[]) {
  const { stdout } = await log.run("query", "--spans", "--json", ...args);
  return stdout.trimEnd().split("\n").map((line) => line === "" ? "" : JSON.parse(line).span)
    .join();
}

Deno.test("scout query --spans filters by the start time, the type, and the fields of both events of a call", async () => {
  using log = logWith(...LINES);
  assertEquals(await spansOf(log), "a,b,m,t");
  assertEquals(await spansOf(log, "--desc"), "b,m,a,t");
  assertEquals(await spansOf(log, "--since", at(4), "--until", at(6)), "m");
  assertEquals(await spansOf(log, "--event", "tool_call", "--event", "turn"), "a,b,t");
  assertEquals(await spansOf(log, "--where", "tool=search"), "a");
  assertEquals(await spansOf(log, "--where", "status=unfinished"), "t");
  assertEquals(await spansOf(log, "--session", "s", "--limit", "2"), "a,b");
  assertEquals(await spansOf(log, "--limit", "1", "--desc", "--where", "status=ok"), "m");
  assertEquals(await spansOf(log, "--limit", "0"), "");
});

Deno.test("scout query --spans --session shows the calls that began in the session, even if they ended in another", async () => {
  const elsewhere = {
    ...event(9, "turn", "t", { status: "ok", duration_ms: 9_000 }),
    session_id: "x",
  };
  using log = logWith(...LINES, elsewhere);
  for (const desc of [[], ["--desc"]]) {
    const { stdout } = await log.run(
      "query",
      "--spans",
      "--json",
      "--session",
      "s",
      "--event",
      "turn",
      ...desc,
    );
    const { span, status, session_id } = JSON.parse(stdout);
    assertEquals([span, status, session_id], ["t", "ok", "s"]);
  }
  const since = await log.run("query", "--spans", "--json", "--since", at(4), "--event", "turn");
  assertEquals(since.stdout, "");
});

Deno.test("scout query --spans reports that the log has no calls", async () => {
  using log = logWith(LINES[4]!);
  const { code, stdout, stderr } = await log.run("query", "--spans");
  assertEquals([code, stdout], [0, ""]);
  assertEquals(
    stderr,
    "scout: no calls logged with begin() and end(); the newest event is from 2026-02-13 14:30\n",
  );
});

Deno.test("scout tail --spans shows the calls that began last, oldest first", async () => {
  using log = logWith(...LINES);
  const { code, stdout } = await log.run("tail", "--spans", "--json", "-n", "2");
  assertEquals(code, 0);
  const rows = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals(rows.map(({ span, ts, end_ts }) => [span, ts, end_ts]), [
    ["m", at(4), at(20)],
    ["b", at(6), at(7)],
  ]);
});

Deno.test("scout tail -f --spans shows the last calls, and then each call once, as soon as it ends", async () => {
  using log = logWith(...LINES);
  const process = new Deno.Command(Deno.execPath(), {
    args: programArgs(MAIN, {
      dir: log.dir.path(""),
      args: ["tail", "-f", "--spans", "--json", "--path", log.path, "-n", "3"],
      flags: [`--allow-read=${log.dir.path("")}`],
    }),
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const rows = process.stdout.pipeThrough(new TextDecoderStream())
    .pipeThrough(new TextLineStream()).getReader();
  const next = async () => JSON.parse((await rows.read()).value!);
  const last = [await next(), await next(), await next()];
  assertEquals(last.map(({ span, ts }) => [span, ts]), [["a", at(1)], ["m", at(4)], ["b", at(6)]]);
  await using writer = await AuditLog.open({ path: log.path, logger: silent });
  const call = await writer.begin("tool_call", { tool: "search" });
  await writer.log("nav");
  await call.end({ cost: 0.5 });
  const row = await next();
  assertEquals([row.span, row.tool, row.cost], [call.id, "search", 0.5]);
  // The turn began before the three calls that `-n 3` shows, so its row appears only when the turn ends.
  await writer.log("turn", { span: "t" });
  const turn = await next();
  assertEquals([turn.span, turn.ts, turn.agent], ["t", at(0), "critic"]);
  process.kill("SIGINT");
  await rows.cancel();
  await process.status;
});
