/**
 * The session ID: one UUID v4 per process, shared by all Workers of the process that open the same log.
 *
 * Workers share no memory, so they agree in two steps. The lock file of the log has one line per process,
 * `{ pid, session_id }`. A Worker that finds its own pid in a line may belong to the same process. But the pid
 * may also have been reused, or belong to process 1 of another container. So the Worker asks on a channel that
 * reaches only the isolates of the same process, and adopts the ID if another isolate confirms it. A dead process
 * never answers, and a busy isolate may answer too late. The Worker then uses a new ID, which is always safe.
 *
 * @module
 */
import type { BroadcastChannel } from "node:worker_threads";
import { parseLockLine } from "./lock_text.ts";
import type { Clock } from "./platform/clock.ts";

/** Name of the Web Lock that guards the session data shared by the Workers of a process. */
export const SESSION_LOCK = "vivarium.scout.session";

/** Maximum time in milliseconds that a Worker waits for another Worker to confirm a session ID. */
const CONFIRM_TIMEOUT_MS = 500;

/** The part of the Web Locks API that is used here. Deno implements it, but its types do not declare it. */
interface WebLocks {
  request<T>(name: string, section: () => Promise<T>): Promise<T>;
}

const webLocks = (navigator as unknown as { locks: WebLocks }).locks;

let sessionId: string | undefined;

/**
 * Returns the session ID of this process. The first call creates it.
 *
 * A Worker that opens a log before it calls this function shares the ID of the process. A Worker that calls this
 * function first gets a separate ID, which does not change later.
 *
 * @returns A UUID v4.
 *
 * @example
 * ```ts
 * import { getSessionId } from "@vivarium/scout";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(getSessionId(), getSessionId());
 * ```
 */
export function getSessionId(): string {
  return sessionId ??= crypto.randomUUID();
}

/**
 * The session IDs of all processes that use a log, in the lock file of the log: JSONL text with a record for each
 * process.
 */
export interface SessionRecords {
  /**
   * Reads the text of the records. The text may also have lines that are not valid records; the caller ignores them.
   */
  read(): Promise<string>;
  /** Replaces the text of the records. */
  write(text: string): Promise<void>;
}

/**
 * The membership of a Worker in the session of its process. Until it is disposed, the Worker confirms its session ID to
 * other Workers that ask.
 */
export interface SessionMembership extends Disposable {
  readonly sessionId: string;
}

/**
 * Agrees on a session ID with the other Workers of the process, using the session records of the log. Afterwards,
 * confirms this ID to Workers of the process that open a log later.
 */
export async function joinSession(
  records: SessionRecords,
  clock: Clock,
): Promise<SessionMembership> {
  return await webLocks.request(SESSION_LOCK, async () => {
    const leave = await enterChannel(clock);
    try {
      return { sessionId: await agree(records, clock), [Symbol.dispose]: leave };
    } catch (error) {
      leave();
      throw error;
    }
  });
}

async function agree(records: SessionRecords, clock: Clock): Promise<string> {
  const found = parseRecords(await records.read());
  const ours = found.get(Deno.pid);
  if (sessionId === undefined && ours !== undefined && await isOfThisProcess(ours, clock)) {
    // While this Worker waited for the confirmation, a first call of getSessionId() may have created an ID. If so, the
    // Worker keeps that ID.
    sessionId ??= ours;
  }
  const joined = getSessionId();
  if (ours !== joined) await records.write(formatRecords(found, joined));
  return joined;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/**
 * Maximum number of records in the lock file, so that the file does not grow without limit. The oldest records are
 * dropped.
 */
const RECORDS_MAX = 64;

/**
 * Parses the session records of a log. Returns the session ID of each process by its pid, with the process that was
 * recorded last at the end.
 */
function parseRecords(text: string): Map<number, string> {
  const records = new Map<number, string>();
  for (const line of text.split("\n")) {
    const { pid, session_id } = parseLockLine(line);
    if (typeof pid === "number" && typeof session_id === "string" && UUID.test(session_id)) {
      records.set(pid, session_id);
    }
  }
  return records;
}

function formatRecords(records: ReadonlyMap<number, string>, joined: string): string {
  const others = [...records].filter(([pid]) => pid !== Deno.pid).slice(1 - RECORDS_MAX);
  return [...others, [Deno.pid, joined] as const]
    .map(([pid, session_id]) => `${JSON.stringify({ pid, session_id })}\n`)
    .join("");
}

type Message = { ask: string } | { confirm: string };

/**
 * The channel on which this isolate asks other isolates of the process whether they use a session ID, and answers such
 * questions. Undefined while the isolate has no {@linkcode SessionMembership}.
 */
let channel: BroadcastChannel | undefined;
let hasClosedChannel = false;
let members = 0;
let onConfirmed: (id: string) => void = () => {};

/**
 * Joins the channel on which the Workers of this process confirm their session ID to each other. Returns the function
 * that leaves the channel.
 */
async function enterChannel(clock: Clock): Promise<() => void> {
  members++;
  if (channel === undefined) {
    // When a channel is closed, Deno 2.9 stops receiving one event-loop turn later. A channel that was opened during
    // this turn then receives nothing. So the new channel is opened after the turn.
    if (hasClosedChannel) await clock.wait(0);
    channel = await openChannel();
    channel.onmessage = (event) => receive((event as MessageEvent<Message>).data);
    channel.unref();
  }
  let isMember = true;
  return () => {
    if (!isMember) return;
    isMember = false;
    if (--members === 0) closeChannel();
  };
}

/** Opens a channel that reaches only this process and needs no permission. */
async function openChannel(): Promise<BroadcastChannel> {
  // The BroadcastChannel of node:worker_threads has unref(), so that a channel does not keep the process alive; the
  // global class lacks it. The module is loaded only here, because readers do not need it.
  const { MessageChannel, MessagePort } = globalThis;
  const { BroadcastChannel } = await import("node:worker_threads");
  // Loading the module replaces these two global classes with those of Node.js. The program has not asked for that, and
  // if it waits for messages of the new classes in a loop, Deno 2.9 delays its file and network operations.
  Object.assign(globalThis, { MessageChannel, MessagePort });
  return new BroadcastChannel(SESSION_LOCK);
}

function closeChannel(): void {
  channel?.close();
  channel = undefined;
  hasClosedChannel = true;
}

function receive(message: Message): void {
  // A message that another isolate sent before the channel was closed may still arrive. It is ignored.
  if (channel === undefined) return;
  if ("confirm" in message) onConfirmed(message.confirm);
  else if (message.ask === sessionId) send({ confirm: message.ask });
}

function send(message: Message): void {
  channel?.postMessage(message);
}

/**
 * Asks the other isolates of this process whether they use the session ID. Resolves with `true` if one of them confirms
 * this, and with `false` if none does in time.
 */
async function isOfThisProcess(id: string, clock: Clock): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = clock.startTimer(CONFIRM_TIMEOUT_MS, () => resolve(false));
  onConfirmed = (confirmed) => {
    if (confirmed === id) resolve(true);
  };
  // The timer does not keep the isolate alive. So during the wait the channel must do so, because otherwise the program
  // could end before the answer arrives.
  channel?.ref();
  send({ ask: id });
  try {
    return await promise;
  } finally {
    timer.cancel();
    channel?.unref();
    onConfirmed = () => {};
  }
}
