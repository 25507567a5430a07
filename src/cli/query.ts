/**
 * `scout query`: shows the events that match.
 *
 * @module
 */
import { merge, object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, optional } from "@optique/core/modifiers";
import type { Parser } from "@optique/core/parser";
import { command, option } from "@optique/core/primitives";
import { type AuditReader, keepLineTexts } from "../audit_reader.ts";
import type { AuditEvent } from "../event.ts";
import type { LineTexts } from "../read/line_source.ts";
import { type Run, withLog } from "./command.ts";
import { EventLines } from "./event_line.ts";
import { tellNothingFound } from "./nothing_found.ts";
import {
  countOf,
  type FieldOptions,
  fieldOptions,
  optionsToQuery,
  questionOf,
  type ReadingOptions,
  readingOptions,
  type ShownOptions,
  type TimeOptions,
  timeOptions,
  valueOf,
} from "./options.ts";
import { parseFields, pickedJson, pickedText } from "./shown_fields.ts";
import { shownRows, SPANS_KIND, spansIn, spansOption } from "./spans.ts";
import { columns, type Output } from "./terminal.ts";

/** Options that select the events to show and their order. */
export type QuestionOptions = FieldOptions & TimeOptions & {
  readonly limit: number | undefined;
  readonly desc: boolean;
};

interface QueryCommandOptions extends ReadingOptions, QuestionOptions {
  readonly spans: boolean;
  readonly fields: readonly string[] | undefined;
}

/** The parser of `--fields`, which names the fields to show. */
const fieldsOption = optional(
  option("--fields", valueOf("FIELD[,FIELD...]", parseFields, []), {
    description:
      message`Show only these fields, such as ts,model,cost, separated by tabs; with --json as an object`,
  }),
);

/** The parser of {@linkcode QuestionOptions}. */
export const questionOptions: Parser<"sync", QuestionOptions, unknown> = merge(
  object({
    limit: optional(option("--limit", countOf("N", { min: 0 }), {
      description: message`Show at most N events`,
    })),
    desc: option("--desc", { description: message`Show the newest events first` }),
  }),
  fieldOptions,
  timeOptions,
);

/** The `scout query` command. */
export const queryCommand: Parser<"sync", Run, unknown> = command(
  "query",
  map(
    merge(object({ spans: spansOption, fields: fieldsOption }), questionOptions, readingOptions),
    (options): Run => (output) => runQuery(options, output),
  ),
  {
    brief: message`Shows the events that match`,
    description:
      message`Reads archives and the active file. With --json, each line is printed as it is stored. With --spans, the calls are in the order in which they ended, those without an end last; with --desc, in that of their beginnings. If nothing matches, standard error states which events the log contains, and the exit code is 0.`,
    footer:
      message`Example: scout query logs --since 3h --event nav --where model=small --json | jq .cost`,
  },
);

async function runQuery(options: QueryCommandOptions, output: Output): Promise<number> {
  const { limit } = options;
  const now = Temporal.Now.zonedDateTimeISO(options.timeZone);
  await withLog(options, async (reader) => {
    const count = options.spans
      ? await tellEvents(shownRows(spansIn(reader, options, now), options), options, output)
      : await tellEventsOf(reader, { ...options, now }, output);
    if (count > 0 || limit === 0) return;
    const kind = options.spans ? { kind: SPANS_KIND } : {};
    await tellNothingFound(reader, { ...questionOf(options, now), ...kind }, now);
  });
  return 0;
}

async function tellEventsOf(
  reader: AuditReader,
  options: QueryCommandOptions & { readonly now: Temporal.ZonedDateTime },
  output: Output,
): Promise<number> {
  const { json, limit, desc, now, fields } = options;
  const texts = json || fields !== undefined ? keepLineTexts(reader) : undefined;
  const events = reader.query({
    ...optionsToQuery(options, now),
    ...limit === undefined ? {} : { limit },
    order: desc ? "desc" : "asc",
  });
  return await tellEvents(events, { ...options, texts }, output);
}

/**
 * Maximum number of events whose widths are measured before the first event is shown. So columns rarely widen later.
 */
const MEASURED_MAX = 200;
/**
 * Total length of the measured events as JSON, in UTF-16 code units, after which measuring stops and the events are
 * shown. Until then they stay in memory, so the limit bounds the memory.
 */
const MEASURED_LENGTH_MAX = 1024 * 1024;

/** Options of {@linkcode tellEvents}. */
export interface TellOptions extends ShownOptions {
  /** The stored lines of the events. With `json`, these lines are written unchanged. */
  readonly texts?: LineTexts | undefined;
  /** The names of the fields to show. By default all fields are shown. */
  readonly fields?: readonly string[] | undefined;
}

/** Writes a line for each event to the output, and resolves with the number of events. */
export async function tellEvents(
  events: AsyncIterable<AuditEvent> | Iterable<AuditEvent>,
  { json, timeZone, texts, fields }: TellOptions,
  output: Output,
): Promise<number> {
  const lines = new EventLines({
    timeZone,
    columns: output.isTerminal ? columns() : Infinity,
    hasHeader: output.isTerminal,
  });
  const held: AuditEvent[] = [];
  let heldLength = 0;
  const textOf = (event: AuditEvent) => texts?.get(event) ?? JSON.stringify(event);
  let isHeld = !json && fields === undefined;
  const release = () => {
    isHeld = false;
    lines.measure(held);
    if (output.isTerminal && held.length > 0) output.line(lines.header());
    for (const event of held.splice(0)) output.line(lines.line(event));
  };
  let count = 0;
  for await (const event of events) {
    count++;
    if (json) {
      const text = textOf(event);
      output.jsonText(fields === undefined ? text : pickedJson(text, fields));
    } else if (fields !== undefined) output.line(pickedText(textOf(event), fields));
    else if (!isHeld) output.line(lines.line(event));
    else {
      held.push(event);
      heldLength += JSON.stringify(event).length;
      if (count === MEASURED_MAX || heldLength > MEASURED_LENGTH_MAX) release();
    }
    if (output.isFull) await output.flush();
  }
  release();
  await output.flush();
  return count;
}
