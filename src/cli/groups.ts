/**
 * The option `--by`, by which `scout spend` and `scout stats` group calls, and the texts of groups in tables.
 *
 * @module
 */
import { message } from "@optique/core/message";
import type { Parser, Suggestion } from "@optique/core/parser";
import { option } from "@optique/core/primitives";
import { nearestName } from "../options/nearest_name.ts";
import { shownUsd } from "../shown.ts";
import { type GroupKey, TIME_KEYS } from "../stats/group_key.ts";
import { areGroupNames } from "../stats/source.ts";
import type { Stats } from "../stats/stats.ts";
import type { Condition } from "./conditions.ts";
import { tell } from "./messages.ts";
import { valueOf } from "./options.ts";

/** Names of fields to suggest for `--by`, in shell completions and for mistyped names. */
const USUAL_NAMES = [
  ...TIME_KEYS,
  "session",
  "agent",
  "model",
  "event",
  "provider",
  "status",
  "tool",
];

/** The parser of `--by`: one or two names of fields, separated by a comma. */
export const byOption: Parser<"sync", readonly string[], unknown> = option(
  "--by",
  { ...valueOf("FIELD[,FIELD]", parseFields, ["event"]), suggest: suggestedFields },
  {
    description:
      message`Group by one or two fields, such as agent or agent,model; also by hour, day or session`,
  },
);

/** Yields the usual names that begin with a prefix, for shell completions. */
export function* suggestedFields(prefix: string): Generator<Suggestion> {
  for (const text of USUAL_NAMES) if (text.startsWith(prefix)) yield { kind: "literal", text };
}

/** Returns the names of fields in a value of `--by`. Throws if the value is not one or two names. */
export function parseFields(input: string): readonly string[] {
  const names = input.split(",").map((name) => name.trim());
  if (areGroupNames(names)) return names;
  throw new RangeError("not one or two names of fields; use model or agent,model");
}

/** The label of the row that combines the remaining groups, if there are too many groups. */
export const OTHERS_LABEL = "(others)";
/** The label of the row with the sums of all groups. */
export const TOTAL_LABEL = "total";

/**
 * Reports on standard error each field in `by` that no event has, because its name may be mistyped, and suggests a
 * similar name.
 */
export function tellMissingFields(
  by: readonly string[],
  groups: readonly { readonly key: GroupKey }[],
): void {
  if (groups.length === 0) return;
  for (const [n, name] of by.entries()) {
    if (groups.some(({ key }) => key[n] !== null)) continue;
    const near = nearestName(name, USUAL_NAMES);
    const hint = near === undefined || near === name ? "" : `; did you mean ${near}?`;
    tell(`no event has the field ${name}${hint}`);
  }
}

/**
 * Reports on standard error if `--outcome` is used and no event meets its condition, because the condition may be
 * mistyped.
 */
export function tellMissingOutcomes(
  outcome: Condition | undefined,
  found: readonly Pick<Stats, "total">[],
): void {
  const isMissing = found.some(({ total }) => total.events > 0) &&
    found.every(({ total }) => total.outcomes === 0);
  if (outcome === undefined || !isMissing) return;
  tell(`no event is an outcome, because none meets the condition ${outcome.text}`);
}

/** Returns amounts in USD, padded at the end so that decimal points align in a right-aligned column. */
export function alignedUsd(amounts: readonly number[]): string[] {
  const shown = amounts.map(shownUsd);
  const decimalsOf = (text: string) => text.includes(".") ? text.length - text.indexOf(".") : 0;
  const decimals = Math.max(...shown.map(decimalsOf));
  return shown.map((text) => text + " ".repeat(decimals - decimalsOf(text)));
}
