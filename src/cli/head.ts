/**
 * `scout head`: prints the chain head, which states where the log ends now. If it is stored elsewhere as an anchor,
 * `scout verify` can later detect that events were removed from the end of the log.
 *
 * @module
 */
import { message } from "@optique/core/message";
import { map } from "@optique/core/modifiers";
import type { Parser } from "@optique/core/parser";
import { command } from "@optique/core/primitives";
import { type Run, withLog } from "./command.ts";
import { tell } from "./messages.ts";
import { type LogOptions, logOptions } from "./options.ts";
import type { Output } from "./terminal.ts";

/** The `scout head` command. */
export const headCommand: Parser<"sync", Run, unknown> = command(
  "head",
  map(logOptions, (options): Run => (output) => runHead(options, output)),
  {
    brief: message`Prints the chain head, an anchor for verify`,
    description:
      message`Prints one line of JSON, with --json or without. Store the line where the processes that write the log cannot change it.`,
    footer: message`Example: scout head sim/audit.jsonl > head.json`,
  },
);

async function runHead(options: LogOptions, output: Output): Promise<number> {
  const head = await withLog(options, (reader) => reader.head());
  output.json(head);
  await output.flush();
  if (head.seq === null) {
    tell(
      "the anchor covers archives only, because the log has no chain; open the log with the option chain: true",
    );
  }
  return 0;
}
