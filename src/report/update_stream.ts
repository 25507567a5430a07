/**
 * Sends the updates of a live page as server-sent events (WHATWG HTML, section 9.2).
 *
 * An update is created only when the previous update has been sent. It contains all changes since the previous update.
 * So at most one update waits for a slow browser, and this update contains all changes that the page lacks.
 *
 * @module
 */
import type { LiveReport, Update } from "./live_report.ts";

/** Time in milliseconds without an update after which the server sends a comment, to detect dead connections. */
const HEARTBEAT_MS = 15_000;
/** The comment that detects dead connections. Browsers ignore comments. */
const HEARTBEAT = ": still here\n\n";
/** Time in milliseconds that a browser waits before it reconnects. */
const RETRY_MS = 1_000;

const encoder = new TextEncoder();

/** The options of the update stream of a live page. */
export interface UpdateStreamOptions {
  /**
   * The version of the report that the browser shows, as {@linkcode versionText} returns it. If it is any other text,
   * the first update has all sections of the page.
   */
  readonly from: string;
  /**
   * The identifier of the report. Each version text contains it, because another report or an earlier server may have
   * used the same version number for other content.
   */
  readonly reportId: string;
  /** The signal that ends the stream. */
  readonly signal: AbortSignal;
}

/** Returns a version of a report as text for the browser. */
export function versionText(version: number | "", reportId: string): string {
  return `${reportId}-${version}`;
}

/** Creates the update stream of a connection. `onEnd` is called when the server or the browser has ended the stream. */
export function updateStream(
  live: LiveReport,
  { from, reportId, signal }: UpdateStreamOptions,
  onEnd: () => void,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const ending = new AbortController();
  const ended = AbortSignal.any([signal, ending.signal]);
  let version = versionOf(from, reportId);
  return new ReadableStream({
    start(controller) {
      ended.addEventListener("abort", onEnd, { once: true });
      controller.enqueue(encoder.encode(`retry: ${RETRY_MS}\n\n`));
    },
    async pull(controller) {
      const update = await live.next(version, { patienceMs: HEARTBEAT_MS, signal: ended });
      if (ended.aborted) return controller.close();
      version = update?.version ?? version;
      const message = update === null ? HEARTBEAT : messageOf(update, reportId);
      controller.enqueue(encoder.encode(message));
    },
    cancel: () => ending.abort(),
  }, { highWaterMark: 0 });
}

/**
 * Returns the version of the report in a text that {@linkcode versionText} created. Returns 0 for any other text, such
 * as a text of an earlier server.
 */
function versionOf(text: string, reportId: string): number {
  const prefix = versionText("", reportId);
  const version = text.startsWith(prefix) ? Number(text.slice(prefix.length)) : 0;
  return Number.isSafeInteger(version) && version >= 0 ? version : 0;
}

function messageOf({ version, sections }: Update, reportId: string): string {
  const markups = Object.entries(sections).map(([id, { text }]) => [id, text]);
  // The data contains no line break, which would end the message too early, because JSON.stringify() escapes line
  // breaks.
  const data = JSON.stringify(Object.fromEntries(markups));
  return `id: ${versionText(version, reportId)}\nevent: sections\ndata: ${data}\n\n`;
}
