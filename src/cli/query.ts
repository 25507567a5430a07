/**
 * `scout query`: the events that match.
 *
 * @module
 */
import { merge, object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, optional } from "@optique/core/modifiers";
import type { Parser } from "@optique/core/parser";
import { command, option } from "@optique/core/primitives";
import { integer } from "@optique/core/valueparser";
import type { AuditEvent } from "../event.ts";
import { type Run, withLog } from "./command.ts";
import { outputLine } from "./event_line.ts";
import {
  type FieldOptions,
  fieldOptions,
  optionsToQuery,
  type ReadingOptions,
  readingOptions,
  type ShownOptions,
  type TimeOptions,
  timeOptions,
} from "./options.ts";
import type { Output } from "./terminal.ts";

/** What is asked for beside a log. */
export type QuestionOptions = FieldOptions & TimeOptions & {
  readonly limit: number | undefined;
  readonly desc: boolean;
};

interface QueryCommandOptions extends ReadingOptions, QuestionOptions {}

/** The parser of {@linkcode QuestionOptions}. */
export const questionOptions: Parser<"sync", QuestionOptions, unknown> = merge(
  object({
    limit: optional(option("--limit", integer({ min: 0, metavar: "N" }), {
      description: message`How many events at most`,
    })),
    desc: option("--desc", { description: message`The newest first` }),
  }),
  fieldOptions,
  timeOptions,
);

/** The command. */
export const queryCommand: Parser<"sync", Run, unknown> = command(
  "query",
  map(
    merge(questionOptions, readingOptions),
    (options): Run => (output) => runQuery(options, output),
  ),
  {
    brief: message`The events that match, from archives and the active file`,
    footer:
      message`Example: scout query --since 3h --event nav --where model=small --json | jq .cost`,
  },
);

async function runQuery(options: QueryCommandOptions, output: Output): Promise<number> {
  const { limit, desc } = options;
  const now = Temporal.Now.zonedDateTimeISO(options.timeZone);
  await withLog(options, async (reader) => {
    const events = reader.query({
      ...optionsToQuery(options, now),
      ...limit === undefined ? {} : { limit },
      order: desc ? "desc" : "asc",
    });
    await tellEvents(events, options, output);
  });
  return 0;
}

/** Writes the events, line by line. */
export async function tellEvents(
  events: AsyncIterable<AuditEvent> | Iterable<AuditEvent>,
  options: ShownOptions,
  output: Output,
): Promise<void> {
  for await (const event of events) {
    output.line(outputLine(event, options));
    if (output.isFull) await output.flush();
  }
  await output.flush();
}
