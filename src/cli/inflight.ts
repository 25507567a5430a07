/**
 * `scout inflight`: lists the calls that have a begin event and no end event.
 *
 * @module
 */
import { merge, object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map } from "@optique/core/modifiers";
import type { Parser } from "@optique/core/parser";
import { command } from "@optique/core/primitives";
import type { AuditEvent } from "../event.ts";
import type { UnfinishedSpan } from "../read/unfinished_span.ts";
import { eventEpochMs } from "../time.ts";
import { type Run, withLog } from "./command.ts";
import { tellNothingFound } from "./nothing_found.ts";
import { type ReadingOptions, readingOptions, sinceOption } from "./options.ts";
import { tellEvents } from "./query.ts";
import type { Output } from "./terminal.ts";
import type { When } from "./when.ts";

interface InflightCommandOptions extends ReadingOptions {
  readonly since: When | undefined;
}

/** The `scout inflight` command. */
export const inflightCommand: Parser<"sync", Run, unknown> = command(
  "inflight",
  map(
    merge(object({ since: sinceOption }), readingOptions),
    (options): Run => (output) => runInflight(options, output),
  ),
  {
    brief: message`Lists the calls without an end event`,
    description:
      message`Such a call still runs, or its process died. last_seen is the time of the last event of its session. Only calls that a program logs with begin() and end() appear.`,
    footer: message`Example: scout inflight logs --since 1d`,
  },
);

async function runInflight(options: InflightCommandOptions, output: Output): Promise<number> {
  const { json, timeZone } = options;
  const now = Temporal.Now.zonedDateTimeISO(timeZone);
  const since = options.since?.(now);
  await withLog(options, async (reader) => {
    const spans = since === undefined
      ? reader.unfinished()
      : spansSince(reader.unfinished(), since.epochMilliseconds);
    const count = json
      ? await tellJson(spans, output)
      : await tellEvents(rows(spans), options, output);
    if (count > 0) return;
    await tellNothingFound(reader, { kind: "unfinished calls", since }, now);
  });
  return 0;
}

async function* spansSince(
  spans: AsyncIterable<UnfinishedSpan>,
  sinceMs: number,
): AsyncGenerator<UnfinishedSpan> {
  for await (const span of spans) {
    if (eventEpochMs(span.ts) >= sinceMs) yield span;
  }
}

async function tellJson(spans: AsyncIterable<UnfinishedSpan>, output: Output): Promise<number> {
  let count = 0;
  for await (const span of spans) {
    count++;
    output.json(span);
    if (output.isFull) await output.flush();
  }
  await output.flush();
  return count;
}

/** Yields the spans as events, so that they are shown as `scout query` shows events. */
async function* rows(spans: AsyncIterable<UnfinishedSpan>): AsyncGenerator<AuditEvent> {
  for await (const { span, parent, lastSeen, fields, ...event } of spans) {
    const found = { ...event, ...fields, last_seen: lastSeen, span, parent };
    yield Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined));
  }
}
