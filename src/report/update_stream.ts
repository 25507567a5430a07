/**
 * The updates of a live page as server-sent events (WHATWG HTML, section 9.2).
 *
 * An update is made when the one before it has left, of all that has changed since. So a browser that
 * is slow, or sleeps, costs one update at most, and has everything at once when it is back.
 *
 * @module
 */
import type { LiveReport, Update } from "./live_report.ts";

/** How long it is quiet before something is sent, so that a connection that is dead is noticed. */
const HEARTBEAT_MS = 15_000;
/** A comment. */
const HEARTBEAT = ": still here\n\n";
/** How long a browser waits before it connects again. */
const RETRY_MS = 1_000;

const encoder = new TextEncoder();

/** What a stream of updates is made of. */
export interface UpdateStreamOptions {
  /** What the page of the other side shows: a version of {@linkcode versionText}, or anything else. */
  readonly from: string;
  /** What tells the versions of this server from those of the one before it. */
  readonly serverId: string;
  /** Ends the stream. */
  readonly signal: AbortSignal;
}

/** A version as it is known outside. */
export function versionText(version: number | "", serverId: string): string {
  return `${serverId}-${version}`;
}

/** Makes the stream of one connection; `onEnd` is called when it is over, whoever ends it. */
export function updateStream(
  live: LiveReport,
  { from, serverId, signal }: UpdateStreamOptions,
  onEnd: () => void,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const ending = new AbortController();
  const ended = AbortSignal.any([signal, ending.signal]);
  let version = versionOf(from, serverId);
  return new ReadableStream({
    start(controller) {
      ended.addEventListener("abort", onEnd, { once: true });
      controller.enqueue(encoder.encode(`retry: ${RETRY_MS}\n\n`));
    },
    async pull(controller) {
      const update = await live.next(version, { patienceMs: HEARTBEAT_MS, signal: ended });
      if (ended.aborted) return controller.close();
      version = update?.version ?? version;
      const message = update === null ? HEARTBEAT : messageOf(update, serverId);
      controller.enqueue(encoder.encode(message));
    },
    cancel: () => ending.abort(),
  }, { highWaterMark: 0 });
}

/** The version that a text stands for; 0 for one of another server, or none. */
function versionOf(text: string, serverId: string): number {
  const prefix = versionText("", serverId);
  const version = text.startsWith(prefix) ? Number(text.slice(prefix.length)) : 0;
  return Number.isSafeInteger(version) && version >= 0 ? version : 0;
}

function messageOf({ version, sections }: Update, serverId: string): string {
  const markups = Object.entries(sections).map(([id, { text }]) => [id, text]);
  // JSON holds no line breaks, which would end the message.
  const data = JSON.stringify(Object.fromEntries(markups));
  return `id: ${versionText(version, serverId)}\nevent: sections\ndata: ${data}\n\n`;
}
