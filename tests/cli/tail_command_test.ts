import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { TextLineStream } from "@std/streams";
import { AuditLog } from "../../src/audit_log.ts";
import { silent } from "../loggers.ts";
import { programArgs } from "../run_program.ts";
import { logWith, MAIN, runCli } from "./run_cli.ts";

const EVENTS = Array.from({ length: 25 }, (_, n) => ({
  ts: new Date(Date.UTC(2026, 1, 13, 14, n)).toISOString(),
  event: n % 2 === 0 ? "nav" : "brief",
  n,
}));

Deno.test("scout tail shows the last twenty events, oldest first", async () => {
  using log = logWith(...EVENTS);
  const { code, stdout, stderr } = await log.run("tail");
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  const lines = stdout.trimEnd().split("\n");
  assertEquals([lines.length, lines.at(-1)], [
    20,
    "2026-02-13 14:24:00.000  nav    n=24",
  ]);
});

Deno.test("scout tail -n --event --where --json prints the last matching events", async () => {
  using log = logWith(...EVENTS);
  const { stdout } = await log.run("tail", "--json", "-n", "2", "--event", "brief");
  assertEquals(stdout, `${JSON.stringify(EVENTS[21])}\n${JSON.stringify(EVENTS[23])}\n`);
  const one = await log.run("tail", "--json", "-n", "2", "--where", "n=3");
  assertEquals(one.stdout, `${JSON.stringify(EVENTS[3])}\n`);
});

Deno.test("scout tail reports a log that does not exist, and rejects an invalid count", async () => {
  using log = logWith();
  const path = log.dir.path("none.jsonl");
  const missing = await runCli(["tail", "--path", path], log.dir.path(""));
  assertEquals([missing.code, missing.stdout], [1, ""]);
  assertEquals(
    missing.stderr,
    `scout: Cannot find audit log: there is neither an active file nor an archive: ${path}\n`,
  );
  const refused = await log.run("tail", "-n", "many");
  assertEquals([refused.code, refused.stdout], [2, ""]);
  assertStringIncludes(refused.stderr, '"many"');
});

/** Starts `scout tail -f` with permission to read only the directory of the log. */
function following(path: string, dir: string, ...args: readonly string[]) {
  const process = new Deno.Command(Deno.execPath(), {
    args: programArgs(MAIN, {
      dir,
      args: ["tail", "--follow", "--json", "--path", path, ...args],
      flags: [`--allow-read=${dir}`],
    }),
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const lines = process.stdout.pipeThrough(new TextDecoderStream())
    .pipeThrough(new TextLineStream()).getReader();
  return {
    process,
    /** Resolves with the next lines. */
    async nextLines(count: number): Promise<string[]> {
      const found: string[] = [];
      for (let left = count; left > 0; left--) found.push((await lines.read()).value ?? "{}");
      return found;
    },
    /** Resolves with the field `n` of each of the next events. */
    async next(count: number): Promise<unknown[]> {
      return (await this.nextLines(count)).map((line) => JSON.parse(line).n);
    },
    /** Stops reading, and resolves with the exit status and standard error of the process. */
    async ended() {
      await lines.cancel();
      const [{ code, signal }, stderr] = await Promise.all([
        process.status,
        new Response(process.stderr).text(),
      ]);
      return { code, signal, stderr };
    },
  };
}

Deno.test("scout tail -f shows the last events, then all new events, also after rotations", async () => {
  using log = logWith(...EVENTS);
  const tail = following(log.path, log.dir.path(""), "-n", "2");
  assertEquals(await tail.next(2), [23, 24]);
  await using writer = await AuditLog.open({ path: log.path, logger: silent });
  await writer.log("nav", { n: 25 });
  assertEquals(await tail.next(1), [25]);
  await writer.rotate();
  await writer.log("nav", { n: 26 });
  await writer.rotate();
  await writer.log("nav", { n: 27 });
  assertEquals(await tail.next(2), [26, 27]);
  tail.process.kill("SIGINT");
  // A shell shows the signal as exit code 130.
  assertEquals(await tail.ended(), { code: 130, signal: "SIGINT", stderr: "" });
});

Deno.test("scout tail -f --json prints the exact text of each stored line", async () => {
  const [first, second, third] = [
    '{"event":"nav","seed":9007199254740993}',
    '{"event": "nav", "x": NaN, "cost": 0.10}',
    '{"event":"nav","x":1e400,"text":"\\u00e9"}',
  ];
  using log = logWith(`${first}\n`, `${second}\n`);
  const tail = following(log.path, log.dir.path(""), "-n", "2");
  assertEquals(await tail.nextLines(2), [first, second]);
  Deno.writeTextFileSync(log.path, `${third}\n`, { append: true });
  assertEquals(await tail.nextLines(1), [third]);
  tail.process.kill("SIGINT");
  await tail.ended();
});

Deno.test("scout tail -f waits for a missing log, and exits with 0 when standard output is closed", async () => {
  using log = logWith();
  Deno.removeSync(log.path);
  const tail = following(log.path, log.dir.path(""));
  await using writer = await AuditLog.open({ path: log.path, logger: silent });
  await writer.log("nav", { n: 1 });
  assertEquals(await tail.next(1), [1]);
  let isOver = false;
  const ended = tail.ended().finally(() => isOver = true);
  // The process notices the closed output when it writes the next line.
  for (let n = 2; !isOver; n++) {
    await writer.log("nav", { n });
    await writer.flush();
  }
  const { stderr, ...status } = await ended;
  assertEquals(status, { code: 0, signal: null });
  // The log may exist before the command looks for it. In that case, the command does not print that it waits.
  assertMatch(stderr, /^(?:scout: waiting for the audit log, which does not exist yet: .*\n)?$/);
});
