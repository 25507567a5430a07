import { assertEquals } from "@std/assert";
import { denoDir, runProgram } from "../run_program.ts";
import { logWith, MAIN } from "./run_cli.ts";

const AT = "2026-02-13T14:3";

/**
 * Lines of two runs. The process of the first run was killed during a model call, which is part of a turn. The second
 * run ended.
 */
const LINES = [
  { ts: `${AT}0:00.000Z`, event: "turn_begin", session_id: "killed", span: "t", agent: "critic" },
  {
    ts: `${AT}1:00.000Z`,
    event: "llm_call_begin",
    session_id: "killed",
    model: "small",
    span: "c",
    parent: "t",
    agent: "critic\u001b[31m",
  },
  { ts: `${AT}2:00.000Z`, event: "nav", session_id: "killed" },
  { ts: `${AT}3:00.000Z`, event: "tool_call_begin", session_id: "ended", span: "d" },
  { ts: `${AT}4:00.000Z`, event: "tool_call", session_id: "ended", span: "d", duration_ms: 60_000 },
];

Deno.test("scout inflight lists the calls that have begun and not ended, oldest first", async () => {
  using log = logWith(...LINES);
  const { code, stdout, stderr } = await log.run("inflight");
  assertEquals([code, stderr], [0, ""]);
  assertEquals(
    stdout.split("\n").map((line) => line.replaceAll(/ {2,}/g, "  ")),
    [
      "2026-02-13 14:30:00.000  turn  span=t  agent=critic  last_seen=2026-02-13 14:32:00",
      "2026-02-13 14:31:00.000  llm_call  small  span=c  agent=critic\\u001b[31m  " +
      "last_seen=2026-02-13 14:32:00  parent=t",
      "",
    ],
  );
});

Deno.test("scout inflight --tz shows all times in the given time zone", async () => {
  using log = logWith(LINES[0]!);
  const { stdout } = await log.run("inflight", "--tz", "Asia/Tokyo");
  assertEquals(
    stdout,
    "2026-02-13 23:30:00.000  turn  span=t  agent=critic  last_seen=2026-02-13 23:30:00\n",
  );
});

Deno.test("scout inflight --json prints one unfinished call (span) per line, and --since leaves out calls that began earlier", async () => {
  using log = logWith(...LINES);
  const { code, stdout } = await log.run("inflight", "--json", "--since", "2026-02-13T14:31");
  assertEquals(code, 0);
  assertEquals(stdout.trimEnd().split("\n").map((line) => JSON.parse(line)), [{
    span: "c",
    parent: "t",
    event: "llm_call",
    ts: `${AT}1:00.000Z`,
    session_id: "killed",
    fields: { model: "small", agent: "critic\u001b[31m" },
    lastSeen: `${AT}2:00.000Z`,
  }]);
});

Deno.test("scout inflight reports that no calls are unfinished", async () => {
  using log = logWith(...LINES.slice(3));
  const { code, stdout, stderr } = await log.run("inflight");
  assertEquals([code, stdout], [0, ""]);
  assertEquals(stderr, "scout: no unfinished calls; the newest event is from 2026-02-13 14:34\n");
});

Deno.test("scout inflight reads the log at SCOUT_PATH if no log is given", async () => {
  using log = logWith(...LINES);
  const { code, stdout, stderr } = await runProgram(MAIN, {
    dir: log.dir.path(""),
    args: ["inflight"],
    flags: [`--allow-read=${log.dir.path("")}`, "--allow-env=SCOUT_PATH"],
    env: { ...Deno.env.toObject(), SCOUT_PATH: log.path, DENO_DIR: await denoDir() },
  });
  assertEquals([code, stderr, stdout.trimEnd().split("\n").length], [0, "", 2]);
});
