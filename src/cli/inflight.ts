/**
 * `scout inflight`: lists the calls that have a begin event and no end event, because they still run or their process
 * died.
 *
 * @module
 */
import { merge, object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, optional } from "@optique/core/modifiers";
import type { Parser } from "@optique/core/parser";
import { command, option } from "@optique/core/primitives";
import type { AuditEvent } from "../event.ts";
import type { UnfinishedSpan } from "../read/unfinished_span.ts";
import { shownInstant } from "../shown.ts";
import { eventEpochMs } from "../time.ts";
import { type Run, withLog } from "./command.ts";
import { orByDefault } from "./default_command.ts";
import { inflightEndCommand } from "./inflight_end.ts";
import { tellNothingFound } from "./nothing_found.ts";
import { type ReadingOptions, readingOptions, when } from "./options.ts";
import { tellEvents } from "./query.ts";
import { present } from "./span_rows.ts";
import type { Output } from "./terminal.ts";
import type { When } from "./when.ts";

interface InflightCommandOptions extends ReadingOptions {
  readonly since: When | undefined;
}

const since = optional(option("--since", when, {
  description: message`Calls that began at this time or later: 3h, yesterday, 2026-02-13T14:30`,
}));

const list = map(
  merge(object({ since }), readingOptions),
  (options): Run => (output) => runInflight(options, output),
);

/** The `scout inflight` command. */
export const inflightCommand: Parser<"sync", Run, unknown> = command(
  "inflight",
  orByDefault(inflightEndCommand, list),
  {
    brief: message`Lists the calls without an end event`,
    description:
      message`Such a call still runs, or its process died. last_seen is the time of the last event of its session. Only calls that a program logs with begin() and end() appear. If a call will not end, scout inflight end logs its end.`,
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
      : await tellEvents(rows(spans, { timeZone, isShort: output.isTerminal }), options, output);
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

/**
 * Yields the unfinished calls as events, so that they are shown like the events of `scout query`. If `isShort` is true,
 * the IDs are cut to fit on a terminal. `scout inflight end` accepts the cut IDs.
 */
async function* rows(
  spans: AsyncIterable<UnfinishedSpan>,
  { timeZone, isShort }: { timeZone: string; isShort: boolean },
): AsyncGenerator<AuditEvent> {
  const idOf = (id: string) => isShort ? id.slice(0, SHORT_ID_LENGTH) : id;
  for await (const { lastSeen, fields, ...begun } of spans) {
    const { ts, event, session_id } = begun;
    const last_seen = lastSeen === undefined ? undefined : shownInstant(lastSeen, timeZone);
    const parent = begun.parent === undefined ? undefined : idOf(begun.parent);
    yield present({ ts, event, session_id, span: idOf(begun.span), ...fields, last_seen, parent });
  }
}

/** Length of a cut ID: the number of characters of a UUID before its first hyphen. */
const SHORT_ID_LENGTH = 8;
