#!/usr/bin/env -S deno run --allow-read=.demo --allow-write=.demo
/**
 * LogTape: a sink in three lines puts the records of its loggers into the log.
 *
 * @module
 */
import { configure, getLogger } from "@logtape/logtape";
import { AuditLog } from "@vivarium/scout";

await using log = await AuditLog.open(".demo/sdks/logtape/audit.jsonl");

await configure({
  sinks: {
    audit({ category, level, message, properties }) {
      void log.log(`log_${level}`, { ...properties, category, message: message.join("") });
    },
  },
  loggers: [
    { category: "sim", sinks: ["audit"] },
    // Without this entry, LogTape reports on the console that its own logger, `logtape.meta`, has no sink.
    { category: ["logtape", "meta"], sinks: ["audit"], lowestLevel: "warning" },
  ],
});
getLogger(["sim", "mapper"]).info("read {file}", { file: "src/a.ts" });

const [event] = await log.lastEvents(1);
console.log(event?.event, event?.message, event?.file);
