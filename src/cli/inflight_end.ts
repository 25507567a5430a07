/**
 * `scout inflight end`: logs the end of a call whose process died.
 *
 * @module
 */
import { merge, object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, optional, withDefault } from "@optique/core/modifiers";
import type { Parser } from "@optique/core/parser";
import { argument, command, option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import { keeperOf } from "../audit_log.ts";
import type { AuditReader } from "../audit_reader.ts";
import type { BudgetKeeper } from "../budget/keeper.ts";
import type { UnfinishedSpan } from "../read/unfinished_span.ts";
import { ENDED_BY, spanOf } from "../segments/span_ledger.ts";
import { counted, shownInstant, shownText } from "../shown.ts";
import { eventEpochMs } from "../time.ts";
import { isChained, openToChange, type Run, withLog } from "./command.ts";
import { CommandError } from "./command_error.ts";
import { idOf, itemsWithId } from "./ids.ts";
import { tell } from "./messages.ts";
import { amountOf, choiceOf, type ReadingOptions, readingOptions } from "./options.ts";
import { keyOf } from "./span_rows.ts";
import type { Output } from "./terminal.ts";

interface InflightEndOptions extends ReadingOptions {
  readonly span: string;
  readonly event: string | undefined;
  readonly status: "ok" | "error" | "aborted";
  readonly cost: number | undefined;
  readonly reason: string | undefined;
}

/**
 * The value of the field `ended_by` of an end event, which names the program that logged the event in place of the
 * process of the call.
 */
const COMMAND = "scout inflight end";

/** The `scout inflight end` command. */
export const inflightEndCommand: Parser<"sync", Run, unknown> = command(
  "end",
  map(
    merge(
      object("End", {
        span: argument(idOf("SPAN", { kind: "call", command: "scout inflight" }), {
          description:
            message`The ID of the call, or a prefix that matches only one unfinished call`,
        }),
        event: optional(option("--event", string({ metavar: "TYPE" }), {
          description: message`The type of the call, if calls of several types have the ID`,
        })),
        status: withDefault(
          option("--status", choiceOf("STATUS", ["ok", "error", "aborted"]), {
            description: message`The status to log: ok, error or aborted; default aborted`,
          }),
          "aborted" as const,
        ),
        cost: optional(option("--cost", amountOf("USD"), {
          description: message`The cost to log, in USD, if the call was charged`,
        })),
        reason: optional(option("--reason", string({ metavar: "TEXT" }), {
          description: message`The text of the field reason in the end event`,
        })),
      }),
      readingOptions,
    ),
    (options): Run => (output) => runInflightEnd(options, output),
  ),
  {
    brief: message`Logs the end of a call whose process died`,
    description:
      message`Logs an event of the type of the call, in its session, with its span, the status, and ended_by="scout inflight end". Then scout inflight no longer lists the call. Needs --allow-write for the directory of the log.`,
    footer:
      message`Example: scout inflight end 3f9c01d2 logs --status error --reason "machine lost"`,
  },
);

async function runInflightEnd(options: InflightEndOptions, output: Output): Promise<number> {
  const { status, cost, reason, json, timeZone } = options;
  const path = await withLog(options, async (reader) => {
    await openCall(reader, options);
    return reader.path;
  });
  let open: UnfinishedSpan;
  {
    await using log = await openToChange({ path, chain: await isChained(path) });
    const ended = await watchEnds(keeperOf(log));
    open = await openCall(log, options);
    warnIfRecent(open);
    const { event, span, parent, session_id } = open;
    const fields = { session_id, cost, reason, status, span, parent, [ENDED_BY]: COMMAND };
    await keeperOf(log).decide(() => {
      if (ended.has(keyOf({ event, span }))) throw unknownCall(options.span);
      return { type: event, fields, ms: Date.now() };
    });
  }
  const { event, span, session_id, ts, lastSeen } = open;
  if (json) output.json({ event, span, session_id, status, cost, reason, lastSeen });
  else {
    const began = ts === undefined ? "" : `, which began ${shownInstant(ts, timeZone)},`;
    output.line(`Ended ${shownText(`${event} ${span}`)}${shownText(began)} with status ${status}`);
  }
  await output.flush();
  return 0;
}

/**
 * Resolves with a set that collects the key (type and span ID) of each call that ends from now on. So the command does
 * not log an end that the process of the call has logged meanwhile. When the keeper makes a decision under the append
 * lock, the set has every end that precedes the decision in the log.
 */
async function watchEnds(keeper: BudgetKeeper): Promise<ReadonlySet<string>> {
  const ended = new Set<string>();
  await keeper.decide(() => {
    keeper.listen((event) => {
      const span = spanOf(event);
      if (span !== null && !span.begins) ended.add(keyOf(event));
    });
    return null;
  });
  return ended;
}

function unknownCall(text: string): CommandError {
  return new CommandError(
    `Cannot end call: no unfinished call has this ID, got ${
      shownText(text)
    }; run "scout inflight" to list the unfinished calls`,
    1,
  );
}

/**
 * Maximum age in milliseconds at which the last event of a session counts as recent. If it is recent, the process of
 * the session probably still runs.
 */
const RECENT_MS = 60_000;

/**
 * Warns if the last event of the call's session is recent, because the process may still run and end the call itself.
 */
function warnIfRecent({ lastSeen }: UnfinishedSpan): void {
  const ageMs = Date.now() - eventEpochMs(lastSeen);
  if (!(ageMs < RECENT_MS)) return;
  tell(
    `the session of this call logged an event ${
      counted(Math.max(0, Math.round(ageMs / 1_000)), "second")
    } ago; if its process is still running, it may log a second end of this call`,
  );
}

/** Maximum number of calls that an error message lists if the ID of a call is ambiguous. */
const LISTED_MAX = 10;

/**
 * Resolves with the unfinished call whose ID equals `text`. If there is none, resolves with the only unfinished call
 * whose ID begins with `text`. Rejects if no call or several calls match.
 */
async function openCall(
  reader: Pick<AuditReader, "unfinished">,
  { span: text, event }: Pick<InflightEndOptions, "span" | "event">,
): Promise<UnfinishedSpan> {
  const open: UnfinishedSpan[] = [];
  for await (const span of reader.unfinished()) {
    if (event === undefined || span.event === event) open.push(span);
  }
  const named = itemsWithId(open, text, ({ span }) => span);
  const [found, ...others] = named;
  if (found === undefined) throw unknownCall(text);
  if (others.length > 0) {
    throw new CommandError(
      `Cannot end call: ${counted(named.length, "unfinished call")} have this ID, got ${
        shownText(text)
      }; use more characters of one, or --event`,
      1,
      named.slice(0, LISTED_MAX).map(({ event, span }) =>
        `${shownText(span)}  ${shownText(event)}`
      ),
    );
  }
  return found;
}
