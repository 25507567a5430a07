/**
 * A program that the benchmark measures, for imports: it imports a file of JSON lines, and logs the same events without
 * waiting for each.
 *
 * @module
 */
import { AuditLog } from "@vivarium/scout";
import { appendEvents } from "../../src/cli/import/append_events.ts";
import { checkRecords, wantedRecords } from "../../src/cli/import/records.ts";
import { ProgressBar } from "../../src/cli/progress_bar.ts";
import { RecordMapping } from "../../src/cli/import/record_mapping.ts";
import { SourceFile } from "../../src/cli/import/source_file.ts";
import { type Outcome, type Round, takeTurns, timed, type Workloads } from "./contender.ts";
import { fieldsOf, SESSION_ID, turn } from "./event.ts";
import { MemoryGrowth } from "./memory_growth.ts";

const BURST = 1_000;
const START_MS = Date.UTC(2026, 1, 13);
const encoder = new TextEncoder();

/** Writes a file of JSON lines with the events of the benchmark. */
function writeSource({ source, events }: Round): Outcome {
  using file = Deno.openSync(String(source), { write: true, create: true, truncate: true });
  let text = "";
  for (let n = 0; n < events; n++) {
    const ts = new Date(START_MS + n).toISOString();
    text += `${JSON.stringify({ ts, event: "nav", session_id: SESSION_ID, ...fieldsOf(n) })}\n`;
    if (n % BURST < BURST - 1 && n < events - 1) continue;
    for (let bytes = encoder.encode(text); bytes.length > 0;) {
      bytes = bytes.subarray(file.writeSync(bytes));
    }
    text = "";
  }
  return {};
}

/** Imports a file as `scout import` does, until every full file of the log is archived. */
async function importFile({ source, path }: Round): Promise<Outcome> {
  const memory = new MemoryGrowth();
  const elapsedMs = await timed(async () => {
    const file = await SourceFile.open(String(source), { format: "jsonl", delimiter: undefined });
    const mapping = new RecordMapping({
      ...{ map: [], scale: [], where: [], textColumns: [], timeZone: "UTC" },
      ...{ event: undefined, prices: undefined, timeUnit: undefined, timeStart: undefined },
    });
    const target = { path, chain: false, sessionId: undefined };
    using progress = new ProgressBar("Importing", 0);
    const checks = { ...target, skipInvalid: false, again: false, progress };
    const { files } = await checkRecords([file!], mapping, checks);
    await appendEvents(wantedRecords(files, mapping, progress), target);
  });
  return { elapsedMs, grownBytes: memory.stop() };
}

/** Logs the same events without waiting for each, until every full file of the log is archived. */
async function logAll({ path, events }: Round): Promise<Outcome> {
  let nowMs = START_MS;
  const elapsedMs = await timed(async () => {
    await using log = await AuditLog.open({ path, now: () => nowMs++, sessionId: SESSION_ID });
    for (let n = 0; n < events; n++) {
      void log.log("nav", fieldsOf(n));
      if (n % BURST === BURST - 1) await turn();
    }
  });
  return { elapsedMs };
}

const workloads: Workloads = { writeSource, importFile, logAll };

await takeTurns(workloads);
