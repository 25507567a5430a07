/**
 * `scout tail`: shows the last events, and follows the log.
 *
 * @module
 */
import { merge, object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, withDefault } from "@optique/core/modifiers";
import type { Parser } from "@optique/core/parser";
import { command, option } from "@optique/core/primitives";
import { keepLineTexts } from "../audit_reader.ts";
import type { AuditEvent } from "../event.ts";
import { type Run, withLog, withReader } from "./command.ts";
import { EventLines, SPAN_WIDTHS, USUAL_WIDTHS, type Widths } from "./event_line.ts";
import { tellIfAwaited } from "./log_kind.ts";
import { tellNothingFound } from "./nothing_found.ts";
import {
  countOf,
  type FieldOptions,
  fieldOptions,
  fieldsToQuery,
  questionOf,
  type ReadingOptions,
  readingOptions,
} from "./options.ts";
import { tellEvents, type TellOptions } from "./query.ts";
import { followedSpans, lastSpans, shownRows, SPANS_KIND, spansOption } from "./spans.ts";
import { columns, type Output } from "./terminal.ts";

/** Options that select the last events, and the option `--follow`, which also shows new events. */
export type TailOptions = FieldOptions & {
  readonly lines: number;
  readonly follow: boolean;
};

interface TailCommandOptions extends ReadingOptions, TailOptions {
  readonly spans: boolean;
}

/** The parser of {@linkcode TailOptions}. */
export const tailOptions: Parser<"sync", TailOptions, unknown> = merge(
  object({
    lines: withDefault(
      option("-n", "--lines", countOf("N", { min: 0 }), {
        description: message`Show the last N events; default 20`,
      }),
      20,
    ),
    follow: option("-f", "--follow", {
      description: message`Show new events as they are written, across rotations, until Ctrl-C`,
    }),
  }),
  fieldOptions,
);

/** The `scout tail` command. */
export const tailCommand: Parser<"sync", Run, unknown> = command(
  "tail",
  map(
    merge(object({ spans: spansOption }), tailOptions, readingOptions),
    (options): Run => (output) => options.follow ? follow(options, output) : last(options, output),
  ),
  {
    brief: message`Shows the last events, and with -f new ones`,
    description:
      message`Shows the last events that match, oldest first. With -f, also shows new events of every process as they are written, and waits for a log that does not exist yet. With --spans, shows the calls that began last, and with -f each call once more when it ends.`,
    footer: message`Example: scout tail logs --follow --lines 5 --event validation_fail`,
  },
);

async function last(options: TailCommandOptions, output: Output): Promise<number> {
  const { lines, json, spans } = options;
  const now = Temporal.Now.zonedDateTimeISO(options.timeZone);
  await withLog(options, async (reader) => {
    const texts = json && !spans ? keepLineTexts(reader) : undefined;
    const newest = { order: "desc", limit: lines } as const;
    const events = spans
      ? shownRows(ReadableStream.from(await lastSpans(reader, options)), options)
      : (await reader.query({ ...fieldsToQuery(options), ...newest }).toArray()).reverse();
    const count = await tellEvents(events, { ...options, texts }, output);
    if (count > 0 || lines === 0) return;
    const kind = spans ? { kind: SPANS_KIND } : {};
    await tellNothingFound(reader, { ...questionOf(options, now), ...kind }, now);
  });
  return 0;
}

async function follow(options: TailCommandOptions, output: Output): Promise<number> {
  const { lines, json, spans } = options;
  await withReader(options, async (reader, log) => {
    tellIfAwaited(log);
    const texts = json && !spans ? keepLineTexts(reader) : undefined;
    const events = spans
      ? shownRows(followedSpans(reader, options), options)
      : reader.follow({ ...fieldsToQuery(options), last: lines });
    await tellAtOnce(events, { ...options, texts }, output, spans ? SPAN_WIDTHS : USUAL_WIDTHS);
  });
  return 0;
}

/** Writes each event to the output as soon as the event arrives. */
export async function tellAtOnce(
  events: AsyncIterable<AuditEvent>,
  { json, timeZone, texts }: TellOptions,
  output: Output,
  widths: Widths = USUAL_WIDTHS,
): Promise<void> {
  const lines = new EventLines({
    timeZone,
    columns: output.isTerminal ? columns() : Infinity,
    hasHeader: output.isTerminal,
  }, widths);
  if (output.isTerminal && !json) output.line(lines.header());
  await output.flush();
  for await (const event of events) {
    if (json) output.jsonText(texts?.get(event) ?? JSON.stringify(event));
    else output.line(lines.line(event));
    await output.flush();
  }
}
