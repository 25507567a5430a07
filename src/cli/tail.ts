/**
 * `scout tail`: the last events, and those that come.
 *
 * @module
 */
import { merge, object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, withDefault } from "@optique/core/modifiers";
import type { Parser } from "@optique/core/parser";
import { command, option } from "@optique/core/primitives";
import { integer } from "@optique/core/valueparser";
import type { AuditEvent } from "../event.ts";
import { type Run, withLog, withReader } from "./command.ts";
import { outputLine } from "./event_line.ts";
import {
  type FieldOptions,
  fieldOptions,
  fieldsToQuery,
  type ReadingOptions,
  readingOptions,
  type ShownOptions,
} from "./options.ts";
import { tellEvents } from "./query.ts";
import type { Output } from "./terminal.ts";

/** Which of the last events, and whether also those that come. */
export type TailOptions = FieldOptions & {
  readonly lines: number;
  readonly follow: boolean;
};

interface TailCommandOptions extends ReadingOptions, TailOptions {}

/** The parser of {@linkcode TailOptions}. */
export const tailOptions: Parser<"sync", TailOptions, unknown> = merge(
  object({
    lines: withDefault(
      option("-n", "--lines", integer({ min: 0, metavar: "N" }), {
        description: message`How many of the last events; default 20`,
      }),
      20,
    ),
    follow: option("-f", "--follow", {
      description: message`Go on with the events as they come, across rotation`,
    }),
  }),
  fieldOptions,
);

/** The command. */
export const tailCommand: Parser<"sync", Run, unknown> = command(
  "tail",
  map(
    merge(tailOptions, readingOptions),
    (options): Run => (output) => options.follow ? follow(options, output) : last(options, output),
  ),
  {
    brief: message`The last events, and with -f those that come`,
    description:
      message`Shows the last events that match, oldest first. With -f it goes on with those that come, whoever writes them, and waits for a log that is not there.`,
    footer: message`Example: scout tail --follow --lines 5 --event validation_fail`,
  },
);

async function last(options: TailCommandOptions, output: Output): Promise<number> {
  await withLog(options, async (reader) => {
    const events = reader.query({ ...fieldsToQuery(options), order: "desc", limit: options.lines });
    await tellEvents((await events.toArray()).reverse(), options, output);
  });
  return 0;
}

async function follow(options: TailCommandOptions, output: Output): Promise<number> {
  await withReader(options, async (reader) => {
    const events = reader.follow({ ...fieldsToQuery(options), last: options.lines });
    await tellAtOnce(events, options, output);
  });
  return 0;
}

/** Writes each event as soon as it comes. */
export async function tellAtOnce(
  events: AsyncIterable<AuditEvent>,
  options: ShownOptions,
  output: Output,
): Promise<void> {
  for await (const event of events) {
    output.line(outputLine(event, options));
    await output.flush();
  }
}
