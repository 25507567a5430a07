#!/usr/bin/env -S deno run --allow-read=.demo --allow-write=.demo
/**
 * Simulates an hour of agents at work and writes a report on it: one self-contained HTML file.
 *
 * @module
 */
import { AuditReader } from "@vivarium/scout";
import { renderReport } from "@vivarium/scout/report";
import { simulate } from "./simulation.ts";

const dir = ".demo/report";
const budgetPerHour = 0.5;
await simulate({ dir, seed: 1, budgetUsdPerHour: budgetPerHour });

await using reader = await AuditReader.open(`${dir}/audit.jsonl`);
const page = await renderReport(reader, {
  title: "An hour of agents at work",
  timeZone: "Europe/Berlin",
  budgetPerHour,
});
Deno.writeTextFileSync(`${dir}/report.html`, page);
console.log(`\nThe report: ${Deno.realPathSync(dir)}/report.html`);
