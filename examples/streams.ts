#!/usr/bin/env -S deno run --allow-read=.demo --allow-write=.demo
/**
 * Logs as streams: copies the expensive events of one log to another, without their prompts.
 *
 * @module
 */
import { type AuditEvent, AuditLog, type AuditRecordInput } from "@vivarium/scout";

const dir = `.demo/streams/${Date.now()}`;
await using source = await AuditLog.open(`${dir}/all.jsonl`);
await using target = await AuditLog.open(`${dir}/expensive.jsonl`);

// Any stream of records can be piped into a log. pipeTo() resolves when every record is durable.
const records: AuditRecordInput[] = Array.from({ length: 1_000 }, (_, n) => ({
  event: "nav",
  cost: n % 100 === 0 ? 0.5 : 0.001,
  prompt: `question ${n}`,
}));
await ReadableStream.from(records).pipeTo(source.createWritable());

const expensive = new TransformStream<AuditEvent, AuditEvent>({
  transform(event, controller) {
    if ((event.cost ?? 0) >= 0.1) controller.enqueue(event);
  },
});
const withoutPrompts = new TransformStream<AuditEvent, AuditRecordInput>({
  transform({ event = "", cost = null, ts }, controller) {
    controller.enqueue({ event, cost, logged_at: ts });
  },
});

await source.query().toReadableStream()
  .pipeThrough(expensive)
  .pipeThrough(withoutPrompts)
  .pipeTo(target.createWritable());

const spent = await target.hourlySpend();
console.log(`${(await target.lastEvents(99)).length} expensive events: ${spent.toFixed(2)} USD`);
