/**
 * The elements of a live page with which it is filtered and paused.
 *
 * @module
 */
import { shownText } from "../shown.ts";
import type { ReportData } from "./aggregate.ts";
import { type Markup, markup, NOTHING } from "./markup.ts";
import {
  FILTER_NAMES,
  type FilteredField,
  type ReportFilter,
  shownFilter,
} from "./report_filter.ts";

/** Maximum number of events that a page lists. */
export const LISTED_EVENTS_MAX = 1_000;
/** Maximum number of names that the page suggests for a field. */
const SUGGESTIONS_MAX = 100;

/** The names that the page suggests for its filter, by field. */
export type FilterNames = Readonly<
  Record<FilteredField | "log" | "reason", readonly string[]>
>;

const LABELS: Readonly<Record<typeof FILTER_NAMES[number], string>> = {
  log: "Log",
  agent: "Agent",
  model: "Model",
  session: "Session",
  type: "Event type",
  reason: "Reason for failures",
  text: "Text in names or values",
  since: "From",
  until: "Before",
};

/** Returns the names that a page suggests for its filter. */
export function namesIn({ breakdowns, types, sessions, failures }: ReportData): FilterNames {
  const named = (all: readonly { readonly name: string | null }[]) =>
    all.flatMap(({ name }) => name === null ? [] : [name]).filter(isPlain)
      .slice(0, SUGGESTIONS_MAX);
  const groupsBy = (field: string) =>
    named(breakdowns.find(({ by }) => by.length === 1 && by[0] === field)?.groups.named ?? []);
  return {
    log: groupsBy("log"),
    agent: groupsBy("agent"),
    model: groupsBy("model"),
    session: sessions.map(({ id }) => id).filter(isPlain),
    type: named(types.named),
    reason: failures.slice(0, SUGGESTIONS_MAX).map(({ reason }) => reason).filter(isPlain),
  };
}

/** Checks whether a text has no characters that a page shows as escapes, which a form would send in their place. */
function isPlain(text: string): boolean {
  return shownText(text) === text;
}

/** Renders the state of the connection, the button that pauses the page, and the form for the filter. */
export function liveControls(filter: ReportFilter, names: FilterNames): Markup {
  const shown = shownFilter(filter);
  const active = shown === ""
    ? NOTHING
    : markup`<p id="filtered">Only events with <b><bdi>${shown}</bdi></b>. <a href="?">Show all events</a></p>
`;
  // A page on a single log has no names of logs, and a page that is filtered by a log needs a way to another one.
  const shownNames = FILTER_NAMES.filter((name) =>
    name !== "log" || names.log.length > 0 || filter.log !== undefined
  );
  const fields = shownNames.map((name) => {
    const suggested = name in names ? names[name as keyof FilterNames] : [];
    const options = suggested.map((each) => markup`<option value="${each}"></option>`);
    const list = suggested.length === 0 ? NOTHING : markup` list="names-${name}"`;
    const hint = name === "since" || name === "until"
      ? markup` placeholder="2026-02-13T14:30"`
      : NOTHING;
    return markup`<label>${LABELS[name]} <input name="${name}" value="${
      filter[name] ?? ""
    }"${list}${hint} autocomplete="off"></label>${
      suggested.length === 0 ? NOTHING : markup`<datalist id="names-${name}">${options}</datalist>`
    }
`;
  });
  return markup`<div id="controls"><p id="live" role="status">not connected yet</p>
<button type="button" id="pause">Pause</button></div>
${active}<details id="filter"${shown === "" ? NOTHING : markup` open`}><summary>Filter</summary>
<form>
${fields}<p><button type="submit">Filter</button></p>
<p id="refused" role="alert"></p>
</form></details>
`;
}
