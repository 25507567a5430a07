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
import { type Run, withLog } from "./command.ts";
import { outputLine } from "./event_line.ts";
import {
  type FieldOptions,
  fieldOptions,
  optionsToQuery,
  type ReadingOptions,
  readingOptions,
  type TimeOptions,
  timeOptions,
} from "./options.ts";
import type { Output } from "./terminal.ts";

interface QueryCommandOptions extends ReadingOptions, FieldOptions, TimeOptions {
  readonly limit: number | undefined;
  readonly desc: boolean;
}

/** The command. */
export const queryCommand: Parser<"sync", Run, unknown> = command(
  "query",
  map(
    merge(
      object({
        limit: optional(option("--limit", integer({ min: 0, metavar: "N" }), {
          description: message`How many events at most`,
        })),
        desc: option("--desc", { description: message`The newest first` }),
      }),
      fieldOptions,
      timeOptions,
      readingOptions,
    ),
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
    for await (const event of events) {
      output.line(outputLine(event, options));
      if (output.isFull) await output.flush();
    }
  });
  await output.flush();
  return 0;
}
