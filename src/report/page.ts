/**
 * Builds the page of a report, which is one self-contained document. Text from the log cannot run as a script: all
 * text is escaped, and the content security policy would block a script even if text were not escaped.
 *
 * @module
 */
import { startSha256 } from "../line/digest.ts";
import type { Clock } from "../platform/clock.ts";
import { VERSION } from "../platform/version.ts";
import { drawingsOf } from "./drawing.ts";
import { shownFields } from "./groups.ts";
import { LISTED_EVENTS_MAX } from "./live_controls.ts";
import { hourlyBudget } from "./hourly_budget.ts";
import { Markup, markup, NOTHING } from "./markup.ts";
import type { ResolvedReportOptions } from "./options.ts";
import type { LinkTo, ReportContent } from "./report_content.ts";
import { type Charted, type SectionId, SECTIONS } from "./sections.ts";
import { shownCount, timeElement } from "./shown_in_report.ts";
import { STYLE } from "./style.ts";

/** The markup of each section of the page. The keys are the identifiers of the sections. */
export type Sections = Readonly<Record<SectionId, Markup>>;

/** The origin of the page. */
export interface Origin {
  /** The path of the log, or another name of the source; null if it is unknown. */
  readonly log: string | null;
  /** The time at which the page was made in epoch milliseconds. */
  readonly madeMs: number;
}

/** The parts that a live page has in addition to the page of a stored report. */
export interface LiveParts {
  readonly script: string;
  /** The version of the report that the page shows. */
  readonly version: string;
  /** The elements with which the page is filtered and paused. */
  readonly controls: Markup;
}

/** The content of the sections of a page. */
type SectionsContent =
  & Omit<ReportContent, "hourly" | "linkTo" | "isComplete">
  & { readonly linkTo?: LinkTo; readonly isComplete?: boolean };

/**
 * Renders all sections of the page, with a turn of the event loop after each section and each drawing of a chart. The
 * content must not change meanwhile.
 */
export async function sectionsInTurns(content: SectionsContent, clock: Clock): Promise<Sections> {
  const { linkTo = null, isComplete = true, data, options: { budgetPerHour } } = content;
  const hourly = budgetPerHour === null ? null : hourlyBudget(data, budgetPerHour);
  const sections: [id: string, section: Markup][] = [];
  for (const [id, section] of Object.entries(SECTIONS)) {
    const rendered = section({ ...content, linkTo, isComplete, hourly });
    sections.push([
      id,
      rendered instanceof Markup ? rendered : await drawnInTurns(rendered, clock),
    ]);
    await clock.turn();
  }
  return Object.fromEntries(sections) as Sections;
}

async function drawnInTurns({ before, chart }: Charted, clock: Clock): Promise<Markup> {
  const parts = [before];
  for (const drawing of drawingsOf(chart)) {
    parts.push(drawing);
    await clock.turn();
  }
  return markup`${parts}`;
}

/** Returns the content security policy of a page. The policy permits no scripts other than `script`. */
export function policyOf(script?: string): string {
  const scripts = script === undefined
    ? []
    : [`script-src '${digestOf(script)}'`, "connect-src 'self'"];
  return [
    "default-src 'none'",
    `style-src '${digestOf(STYLE)}'`,
    // The page has an empty icon, because browsers would otherwise request /favicon.ico.
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    ...scripts,
  ].join("; ");
}

function digestOf(text: string): string {
  return `sha256-${startSha256().update(text).digest("base64")}`;
}

/** Renders the HTML document of a page; `live` adds the script of a live page. */
export function page(
  { title, by, timeZone }: Pick<ResolvedReportOptions, "title" | "by" | "timeZone">,
  sections: Sections,
  { origin: { log, madeMs }, live }: { readonly origin: Origin; readonly live?: LiveParts },
): string {
  const version = live === undefined ? NOTHING : markup` data-version="${live.version}"`;
  const status = live === undefined ? NOTHING : live.controls;
  const older = live === undefined
    ? NOTHING
    : markup`<p><button type="button" id="older">Show older events</button></p>
<p id="failed" role="alert"></p>
<p id="listed" hidden>Only the last ${
      shownCount(LISTED_EVENTS_MAX)
    } events are listed. A filter by time shows older ones.</p>`;
  const source = log === null ? NOTHING : markup`Log: <bdi>${log}</bdi>. `;
  const script = live === undefined ? NOTHING : new Markup(`<script>${live.script}</script>\n`);
  return markup`<!DOCTYPE html>
<html lang="en"${version}>
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policyOf(live?.script)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
<title>${title}</title>
<style>${new Markup(STYLE)}</style>
</head>
<body>
<header>
<h1>${title}</h1>
<p id="range">${sections.range}</p>
<p id="about">${source}Made ${timeElement(madeMs, timeZone)} by @vivarium/scout ${VERSION}.</p>
${status}
</header>
<main>
<section class="bare" aria-label="Key figures">
<dl id="figures">${sections.figures}</dl>
<div id="notes">${sections.notes}</div>
</section>
${charted("spend", "Spend over time", sections)}
${charted("accuracy", "Accuracy over time", sections)}
${charted("timeline", "Timeline of calls", sections)}
${charted("latency", "Duration of calls over time", sections)}
${charted("types", "Events by type", sections)}
${charted("tokens", `Tokens by ${shownFields(by)}`, sections)}
${listed("groups", "Calls, failures and accuracy by group", sections)}
${listed("failures", "Failures by reason", sections)}
${listed("unfinished", "Unfinished calls", sections)}
${listed("budgets", "Budgets", sections)}
${listed("sessions", "Top 10 sessions by cost", sections)}
${listed("events", live === undefined ? "Last 50 events" : "Last events", sections, older)}
${listed("damage", "Unreadable regions", sections)}
</main>
${script}</body>
</html>
`.text;
}

/** Renders a chart, and a table of the same figures, which also serves screen readers. */
function charted(
  name: "spend" | "accuracy" | "timeline" | "latency" | "types" | "tokens",
  title: string,
  sections: Sections,
): Markup {
  return markup`<section class="half" aria-labelledby="${name}-title">
<h2 id="${name}-title">${title}</h2>
<div class="chart" id="${name}-chart">${sections[`${name}-chart`]}</div>
<details><summary>${title} as a table</summary>
<div class="scroll" id="${name}-table" tabindex="0" role="region" aria-label="${title}, table">${
    sections[`${name}-table`]
  }</div></details>
</section>`;
}

function listed(
  name: "groups" | "failures" | "unfinished" | "budgets" | "sessions" | "events" | "damage",
  title: string,
  sections: Sections,
  more: Markup = NOTHING,
): Markup {
  return markup`<section class="long" aria-labelledby="${name}-title">
<h2 id="${name}-title">${title}</h2>
<div class="scroll" id="${name}" tabindex="0" role="region" aria-label="${title}, table">${
    sections[name]
  }</div>
${more}</section>`;
}
