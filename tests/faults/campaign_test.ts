import { assertEquals } from "@std/assert";
import { sampledTest } from "../extent.ts";
import { runCampaign, shortfalls, tableOf } from "./campaign.ts";
import { Findings, Violation } from "./harness.ts";

await sampledTest(
  "AuditLog keeps its promises under power loss, errors, kills and damaged files",
  1 / 35,
  async ({ seed, share }) => {
    const findings = await runCampaign({ seed, scale: share, onProgress() {} });
    console.log(tableOf(findings, seed));
    assertEquals(findings.faults, []);
    assertEquals(shortfalls(findings, share), []);
  },
);

Deno.test("tableOf() counts faults by kind and lists what was skipped", () => {
  const findings = new Findings();
  findings.count("power-loss states", 20_500);
  findings.add("here", new Violation("lost", "an event"));
  findings.add("there", new Error("something else"));
  findings.skipped.push("real kills: strace is missing");
  assertEquals(tableOf(findings, 7).split("\n").map((row) => row.replace(/ {2,}/, ": ")), [
    "seed: 7",
    "power-loss states: 20,500",
    "lost: 1",
    "doubled: 0",
    "reordered: 0",
    "torn: 0",
    "hung: 0",
    "other promises broken: 1",
    "skipped: real kills: strace is missing",
  ]);
});

Deno.test("shortfalls() names each kind with too few cases, unless some cases were skipped", () => {
  const findings = new Findings();
  findings.count("power-loss states", 20_000);
  findings.count("error injections", 500);
  findings.count("simulated kills", 4_500);
  findings.count("real kills", 400);
  findings.count("real kills during recovery", 100);
  findings.count("fuzz cases", 39_999);
  assertEquals(shortfalls(findings, 1)[0], "fuzz cases: 39999 of 40000");
  findings.count("fuzz cases");
  assertEquals(shortfalls(findings, 0.5), []);
  const missed = shortfalls(findings, 1);
  assertEquals(missed.at(-1), "simulated kills: beside a survivor");
  for (const kind of missed.slice(1)) findings.reached.add(kind);
  assertEquals(shortfalls(findings, 1), [missed[0]!]);
  findings.skipped.push("real kills: strace is missing");
  assertEquals(shortfalls(findings, 1), []);
});
