/**
 * An event as a line for people.
 *
 * @module
 */
import { SHA256 } from "../digest.ts";
import type { AuditEvent } from "../event.ts";
import { eventEpochMs } from "../time.ts";
import type { ShownOptions } from "./options.ts";
import { shownTime, shownUsd } from "../shown.ts";
import { styled } from "./terminal.ts";

const EVENT_WIDTH = 16;
/** What the line shows in another way, or leaves out. */
const SHOWN = new Set(["ts", "event", "session_id", "cost", "model", "input_t", "output_t"]);
// What a terminal would take for a command.
const CONTROLS = /\p{Cc}/gu;

/** The line of an event on standard output. */
export function outputLine(
  event: AuditEvent,
  { json, timeZone }: Pick<ShownOptions, "json" | "timeZone">,
): string {
  return json ? JSON.stringify(event) : eventLine(event, timeZone);
}

/** Makes the line for people: time, type, cost, model, tokens, and the further fields. */
export function eventLine(event: AuditEvent, timeZone: string): string {
  const { cost, model, input_t, output_t, seq, hash } = event;
  // The place in the chain says something to people, and its hash nothing.
  const isChained = typeof seq === "number" && typeof hash === "string" && SHA256.test(hash);
  const parts = [
    styled("dim", timeOf(event, timeZone)),
    styled("bold", textOf(event.event ?? "-").padEnd(EVENT_WIDTH)),
  ];
  if (typeof cost === "number") parts.push(styled("yellow", shownUsd(cost)));
  if (model !== undefined) parts.push(styled("cyan", textOf(model)));
  if (typeof input_t === "number" || typeof output_t === "number") {
    parts.push(`${input_t ?? "?"} > ${output_t ?? "?"}`);
  }
  for (const [name, value] of Object.entries(event)) {
    if (!SHOWN.has(name) && !(name === "hash" && isChained)) {
      parts.push(`${styled("dim", `${textOf(name)}=`)}${textOf(value)}`);
    }
  }
  return parts.join("  ").trimEnd();
}

function timeOf({ ts }: AuditEvent, timeZone: string): string {
  const epochMs = eventEpochMs(ts);
  if (Number.isNaN(epochMs)) return textOf(ts ?? "-").padEnd("2026-02-13 14:30:22.123".length);
  const instant = Temporal.Instant.fromEpochMilliseconds(epochMs);
  return shownTime(instant, timeZone, { fractionalSecondDigits: 3 });
}

/** A value as it stands in the log, a string without its quotes. */
function textOf(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value) ?? "";
  return text.replaceAll(CONTROLS, (control) => JSON.stringify(control).slice(1, -1));
}
