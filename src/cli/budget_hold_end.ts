/**
 * `scout budget release` and `scout budget settle`: end a hold (an amount reserved for a call) by hand, for example
 * because its process died.
 *
 * @module
 */
import { merge, object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, optional, withDefault } from "@optique/core/modifiers";
import type { Parser } from "@optique/core/parser";
import { argument, command, option } from "@optique/core/primitives";
import { type AuditLog, keeperOf } from "../audit_log.ts";
import { BUDGET_FIELDS, BUDGET_LINE, type Hold, type LineFields } from "../budget/budget_lines.ts";
import type { DecidedLine } from "../budget/keeper.ts";
import type { BudgetLedger } from "../budget/ledger.ts";
import { type AuditEvent, isReservedType } from "../event.ts";
import { shownText } from "../shown.ts";
import { openForChange } from "./budget_change.ts";
import type { Run } from "./command.ts";
import { CommandError } from "./command_error.ts";
import { idOf, itemsWithId } from "./ids.ts";
import {
  amountOf,
  countOf,
  type LogOptions,
  logOptions,
  reasonOption,
  valueOf,
} from "./options.ts";
import type { Output } from "./terminal.ts";

interface HoldCommandOptions extends LogOptions {
  readonly hold: string;
}

const hold = argument(idOf("HOLD", { kind: "hold", command: "scout budget" }), {
  description: message`The ID of the hold, or a prefix that matches only one open hold`,
});

/**
 * The fields that are not copied from the line of a hold to the event of its call, because the event has its own or
 * must not have them.
 */
const NOT_COPIED = new Set(["ts", "event", "seq", "hash", ...BUDGET_FIELDS]);

const tokens = countOf("N", { min: 0 });

/** The `scout budget release` command. */
export const budgetReleaseCommand: Parser<"sync", Run, unknown> = command(
  "release",
  map(
    merge(
      object("Release", {
        hold,
        reason: reasonOption,
      }),
      logOptions,
    ),
    (options): Run => (output) =>
      endHold(options, output, "Released", () => ({
        type: BUDGET_LINE.release,
        fields: { reason: options.reason },
      })),
  ),
  {
    brief: message`Ends a hold, and charges nothing`,
    description:
      message`For a call that was not made. Needs --allow-write for the directory of the log.`,
    footer: message`Example: scout budget release 3f9c01d2 logs --reason "not sent"`,
  },
);

/** The `scout budget settle` command. */
export const budgetSettleCommand: Parser<"sync", Run, unknown> = command(
  "settle",
  map(
    merge(
      object("Settle", {
        hold,
        cost: optional(option("--cost", amountOf("USD"), {
          description: message`Cost of the call in USD`,
        })),
        input: optional(option("--input-tokens", tokens, {
          description: message`Input tokens of the call`,
        })),
        output: optional(option("--output-tokens", tokens, {
          description: message`Output tokens of the call`,
        })),
        event: withDefault(
          option("--event", valueOf("TYPE", parseType, "llm_call"), {
            description: message`The type of the event to log; default llm_call`,
          }),
          "llm_call",
        ),
      }),
      logOptions,
    ),
    (options): Run => (output) =>
      endHold(options, output, "Settled", (held) => ({
        type: options.event,
        fields: {
          ...held,
          cost: options.cost,
          input_t: options.input,
          output_t: options.output,
        },
      })),
  ),
  {
    brief: message`Ends a hold, and charges what the call cost`,
    description:
      message`Logs the event of a call whose process died, with the fields and the session of its hold. An amount that you leave out is charged at the amount of the hold. Needs --allow-write for the directory of the log.`,
    footer: message`Example: scout budget settle 3f9c01d2 logs --cost 0.0137`,
  },
);

function parseType(text: string): string {
  if (text === "" || isReservedType(text)) {
    throw new RangeError("not a type for a call; use a type such as llm_call");
  }
  return text;
}

/**
 * Ends a hold by logging the line that `lineOf` returns. `lineOf` receives the fields of the line that began the hold,
 * because `scout budget settle` copies them to the event of the call.
 */
async function endHold(
  options: HoldCommandOptions,
  output: Output,
  done: string,
  lineOf: (held: LineFields) => Omit<DecidedLine, "ms">,
): Promise<number> {
  await using log = await openForChange(options);
  const keeper = keeperOf(log);
  let found: Hold;
  await keeper.decide((ledger) => {
    found = openHold(ledger, options.hold);
    return null;
  });
  const { id, budgets } = found!;
  const held = await fieldsOf(log, id);
  await keeper.decide((ledger) => {
    openHold(ledger, id);
    const { type, fields } = lineOf(held);
    return { type, fields: { session_id: held.session_id, ...fields, hold: id }, ms: Date.now() };
  });
  await log.flush();
  if (options.json) output.json({ hold: id, budgets });
  else output.line(shownText(`${done} hold ${id} on ${budgets.join(", ")}`));
  await output.flush();
  return 0;
}

/**
 * Resolves with the fields to copy from the line that began a hold. If retention has removed the line, resolves with no
 * fields.
 */
async function fieldsOf(log: AuditLog, id: string): Promise<LineFields> {
  const where = ({ hold }: AuditEvent) => hold === id;
  const lines = log.query({ eventType: BUDGET_LINE.hold, where, order: "desc", limit: 1 });
  const [line = {}] = await lines.toArray();
  const names = Object.keys(line).filter((name) => !NOT_COPIED.has(name));
  return Object.fromEntries(names.map((name) => [name, line[name]]));
}

/**
 * Returns the open hold whose ID equals `text`. If there is none, returns the only open hold whose ID begins with
 * `text`, because a user may type only the first characters.
 *
 * @throws {CommandError} If no open hold or several open holds match.
 */
function openHold(ledger: BudgetLedger, text: string): Hold {
  const named = itemsWithId(ledger.openHolds.toArray(), text, ({ id }) => id);
  const [found, ...others] = named;
  if (found !== undefined && others.length === 0) return found;
  const what = found === undefined
    ? "no open hold has this ID"
    : `${named.length} open holds have IDs that begin with this text`;
  throw new CommandError(
    `Cannot end hold: ${what}, got ${shownText(text)}; run "scout budget" to list the open holds`,
    1,
  );
}
