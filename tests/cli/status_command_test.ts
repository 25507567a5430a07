import { assertEquals, assertStringIncludes } from "@std/assert";
import { gzipSync } from "node:zlib";
import { AuditLog } from "../../src/audit_log.ts";
import { silent } from "../loggers.ts";
import { runProgram } from "../run_program.ts";
import { logWith, MAIN, runCli } from "./run_cli.ts";

const EVENT = { ts: "2026-02-13T14:00:00.000Z", event: "nav", session_id: "s1", cost: 0.5 };
const LINE = `${JSON.stringify(EVENT)}\n`;

Deno.test("scout status shows the state of a log", async () => {
  using log = logWith(EVENT, '{"torn\n', EVENT);
  const { code, stdout, stderr } = await log.run("status");
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  assertEquals(stdout.split("\n"), [
    `log       ${log.path}`,
    `active    1 file, ${2 * LINE.length + 7} bytes, 2 events`,
    "archives  0 files, 0 bytes, 0 events",
    "spend     - in the last hour",
    "          - in the last 24 hours",
    `          ${"·".repeat(24)}  24 hours`,
    "last      2026-02-13 14:00:00  nav  $0.50",
    "damage    1 region in other files",
    `          first: not JSON, at byte ${LINE.length} of audit.jsonl`,
    "times     UTC",
    "",
  ]);
});

Deno.test("scout status --json counts archives from the manifest, and sums up the costs of each hour", async () => {
  using log = logWith();
  const nowMs = Date.now();
  const ago = (minutes: number, cost: number) => ({
    ...EVENT,
    ts: new Date(nowMs - 60_000 * minutes).toISOString(),
    cost,
  });
  const text = [ago(30, 1), ago(90, 0.1), ago(90, 0.2), ago(23 * 60 + 30, 4), ago(25 * 60, 8)]
    .map((event) => `${JSON.stringify(event)}\n`).join("");
  Deno.writeTextFileSync(log.path, `${text}damaged\n`);
  {
    await using writer = await AuditLog.open({ path: log.path, logger: silent });
    await writer.rotate();
  }
  Deno.writeTextFileSync(log.path, LINE);
  Deno.writeFileSync(log.dir.path("audit_20200101_000000.jsonl.gz"), gzipSync(LINE));
  const { stdout } = await runCli(["status", "--path", log.path, "--json"], log.dir.path(""));
  const status = JSON.parse(stdout);
  const hourly = Array<number>(24).fill(0);
  [hourly[0], hourly[22], hourly[23]] = [4, Math.sumPrecise([0.1, 0.2]), 1];
  assertEquals([status.hourly, status.spend], [hourly, {
    lastHour: 1,
    lastDay: Math.sumPrecise([4, 0.1, 0.2, 1]),
  }]);
  assertEquals(status.active, { files: 1, bytes: LINE.length, events: 1 });
  assertEquals([status.archives.files, status.archives.events], [1, 5]);
  assertEquals([status.untoldArchives, status.lastEvent], [1, EVENT]);
  assertEquals(status.damage, { archivedLines: 1, regions: [] });
});

Deno.test("scout status takes the costs of an archive with the events of one hour from the sums beside it", async () => {
  using log = logWith();
  const nowMs = Date.now();
  const at = (minutes: number) => new Date(nowMs - 60_000 * minutes).toISOString();
  const events = [{ ...EVENT, ts: at(100) }, { ...EVENT, ts: at(80), cost: "2" }, {
    ...EVENT,
    ts: at(70),
    cost: 0.25,
  }];
  Deno.writeTextFileSync(log.path, events.map((event) => `${JSON.stringify(event)}\n`).join(""));
  {
    await using writer = await AuditLog.open({ path: log.path, logger: silent });
    await writer.rotate();
  }
  // An archive that was overwritten cannot be decoded, so the costs must come from the sums.
  const [archive = ""] = [...Deno.readDirSync(log.dir.path(""))].map(({ name }) => name)
    .filter((name) => name.endsWith(".gz"));
  const path = log.dir.path(archive);
  Deno.writeFileSync(path, new Uint8Array(Deno.statSync(path).size));
  const { stdout } = await runCli(["status", "--path", log.path, "--json"], log.dir.path(""));
  const { hourly, costs, leftOut, lastEvent } = JSON.parse(stdout);
  assertEquals([hourly[22], costs.lastDay, leftOut.badCosts, lastEvent], [0.75, 2, 1, null]);
});

Deno.test("scout status reports on standard error the events of the last day whose cost is not a number", async () => {
  const ts = new Date().toISOString();
  using log = logWith({ ts, event: "nav", cost: "1.5" }, { ts, event: "nav", cost: 1 }, {
    ts: "2026-02-13T14:00:00.000Z",
    event: "nav",
    cost: "2",
  });
  const { code, stderr } = await log.run("status");
  assertEquals([code, stderr], [0, "scout: not counted: 1 event whose cost is not a number\n"]);
});

Deno.test("scout status draws a sparkline in which the most expensive hour is the highest character", async () => {
  using log = logWith();
  const nowMs = Date.now();
  const lines = [1, 2, 4, 8].map((cost, index) => {
    const ts = new Date(nowMs - 3_600_000 * (index + 0.5)).toISOString();
    return `${JSON.stringify({ ...EVENT, ts, cost })}\n`;
  });
  Deno.writeTextFileSync(log.path, lines.join(""));
  const { stdout } = await log.run("status");
  assertStringIncludes(stdout, `          ${"·".repeat(20)}█▅▃▂  24 hours\n`);
});

Deno.test("scout status names a missing permission, and reports a missing log", async () => {
  using log = logWith();
  const denied = await runProgram(MAIN, {
    dir: "",
    args: ["status", "--path", log.path],
    flags: [],
  });
  assertEquals([denied.code, denied.stdout], [2, ""]);
  assertStringIncludes(denied.stderr, "scout: Cannot open audit log: run again with --allow-read=");
  const path = log.dir.path("none.jsonl");
  const missing = await runCli(["status", "--path", path], log.dir.path(""));
  assertEquals([missing.code, missing.stdout], [1, ""]);
  assertStringIncludes(missing.stderr, "scout: Cannot find audit log");
});

Deno.test("scout status shows the archives that each fleet lacks, if retention waits for shippers", async () => {
  using log = logWith();
  const retention = { maxArchives: 9, untilShipped: { maxBytes: 1e6 } };
  {
    await using writer = await AuditLog.open({ path: log.path, retention, logger: silent });
    for (let n = 0; n < 3; n++) {
      await writer.log("nav", { n });
      await writer.rotate();
    }
  }
  const shownLines = async () => {
    const { stdout } = await log.run("status");
    const lines = stdout.split("\n");
    const from = lines.findIndex((line) => line.startsWith("shipped"));
    return lines.slice(from, lines.findIndex((line) => line.startsWith("spend")));
  };
  assertEquals(await shownLines(), ["shipped   no fleet yet"]);
  const archives = [...Deno.readDirSync(log.dir.path(""))].map(({ name }) => name)
    .filter((name) => name.endsWith(".gz")).sort();
  const bytes = archives.slice(1).reduce(
    (sum, name) => sum + Deno.statSync(log.dir.path(name)).size,
    0,
  );
  const line = (fleet: string, archive: string) =>
    `${
      JSON.stringify({ v: 1, stream: "AUDIT", fleet, log: "a", archive, position: 1, ts: EVENT.ts })
    }\n`;
  const text = line("f", archives[0]!) + line("g", archives[2]!);
  const file = log.dir.path("audit.shipped.jsonl");
  Deno.writeTextFileSync(file, text);
  assertEquals(
    (await shownLines()).join(" ").replaceAll(/ +/g, " "),
    [
      `shipped fleet f (log a, stream AUDIT) lacks 2 archives, ${bytes} bytes, as recorded 2026-02-13 14:00`,
      "fleet g (log a, stream AUDIT) has every archive, as recorded 2026-02-13 14:00",
    ].join(" "),
  );
  Deno.writeTextFileSync(file, `${text}torn`);
  const damage = "damaged, so retention takes all archives for missing: line 3 is invalid";
  assertStringIncludes((await shownLines()).join(" ").replaceAll(/ +/g, " "), damage);
  const { stdout } = await runCli(["status", "--path", log.path, "--json"], log.dir.path(""));
  const { shipped } = JSON.parse(stdout);
  assertEquals(shipped.fleets[0].waiting, { files: 2, bytes });
  assertEquals(shipped.damage, "line 3 is invalid");
});
