/**
 * Calls every method of the API on a log. Tests run it with two scoped permissions only, to prove that these are
 * enough.
 *
 * @module
 */
import {
  AuditLog,
  FsyncSink,
  getSessionId,
  LineBufferStream,
  SerializeStream,
} from "@vivarium/scout";

const [path = ""] = Deno.args;
const log = await AuditLog.open({ path });
await log.log("nav", { cost: 0.25 });
await ReadableStream.from([{ event: "nav", cost: 0.25 }]).pipeTo(log.createWritable());
await log.flush();
log.flushSync();
await log.rotate();
await log.recovery;
const figures = {
  sessionIsShared: log.sessionId === getSessionId(),
  events: (await log.query({ order: "desc" }).toArray()).length,
  last: (await log.lastEvents(1)).length,
  spend: await log.hourlySpend(),
  accuracy: (await log.accuracyMetrics(0)).accuracyPct,
  gate: (await log.gateMetrics()).total,
};
await log.close();
await ReadableStream.from([{ event: "nav" }])
  .pipeThrough(new SerializeStream())
  .pipeThrough(new LineBufferStream())
  .pipeTo(await FsyncSink.open({ path }));
console.log(JSON.stringify(figures));
