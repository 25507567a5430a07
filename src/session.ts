/**
 * The session id: one UUID v4 per process, for all its Workers that open the same log.
 *
 * Workers share no memory, so they agree through two things. The lock file of the log carries a
 * line per process, `{ pid, session_id }`; whoever finds its own pid there may be of the same process. It may also be a pid used again, or process 1 of another container, so the finder
 * asks on a channel that only isolates of its own process hear, and takes the id on when one of them
 * says that it is theirs. Nobody answers for a dead process; nobody answers in time while busy, and
 * then the finder keeps an id of its own, which is always safe.
 *
 * @module
 */
// The channel of node:worker_threads, unlike the global one, can be kept from keeping the process
// alive; both are the same channel underneath, heard in this process only and free of permissions.
import { BroadcastChannel } from "node:worker_threads";
import { parseLockLine } from "./lock_text.ts";
import type { Clock } from "./platform/clock.ts";

/** Name of the Web Lock that guards session data between the Workers of a process. */
export const SESSION_LOCK = "vivarium.scout.session";

/** How long a Worker waits for another one to confirm a session id. */
const CONFIRM_TIMEOUT_MS = 500;

/** The part of the Web Locks API that is used here; Deno has it, its types do not. */
interface WebLocks {
  request<T>(name: string, section: () => Promise<T>): Promise<T>;
}

const webLocks = (navigator as unknown as { locks: WebLocks }).locks;

let sessionId: string | undefined;

/**
 * Gives the session id of this process, a UUID v4 made at the first call.
 *
 * A Worker that opens a log before it calls this shares the id of the process; one that calls this
 * first has an id of its own, which then stays.
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

/** Where the records of the processes are kept, as JSONL text. */
export interface SessionRecords {
  /** Gives the text; whatever in it is no record counts as none. */
  read(): Promise<string>;
  /** Replaces the text. */
  write(text: string): Promise<void>;
}

/** A part in the agreement on a session, which answers other Workers until it is disposed of. */
export interface SessionMembership extends Disposable {
  readonly sessionId: string;
}

/**
 * Agrees with the other Workers of the process on a session id through the records, and answers
 * those that come later.
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
    // A first getSessionId() may have come while we waited; it stands.
    sessionId ??= ours;
  }
  const joined = getSessionId();
  if (ours !== joined) await records.write(formatRecords(found, joined));
  return joined;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** How many processes are remembered: the latest, for the lock file must not grow. */
const RECORDS_MAX = 64;

/** Session id by pid, the latest process last. */
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

/** The channel of this isolate while it has a log open; it asks and answers on the same one. */
let channel: BroadcastChannel | undefined;
let hasClosedChannel = false;
let members = 0;
let onConfirmed: (id: string) => void = () => {};

/** Takes part in the channel; gives the function that ends that. */
async function enterChannel(clock: Clock): Promise<() => void> {
  members++;
  if (channel === undefined) {
    // Deno 2.9 ends the receiving of a closed channel a turn later, and of a new one with it.
    if (hasClosedChannel) await clock.wait(0);
    channel = new BroadcastChannel(SESSION_LOCK);
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

function closeChannel(): void {
  channel?.close();
  channel = undefined;
  hasClosedChannel = true;
}

function receive(message: Message): void {
  // A message may still arrive that was on its way when the channel was closed.
  if (channel === undefined) return;
  if ("confirm" in message) onConfirmed(message.confirm);
  else if (message.ask === sessionId) send({ confirm: message.ask });
}

function send(message: Message): void {
  channel?.postMessage(message);
}

/** Asks the other isolates of the process whether the session id is theirs. */
async function isOfThisProcess(id: string, clock: Clock): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = clock.startTimer(CONFIRM_TIMEOUT_MS, () => resolve(false));
  onConfirmed = (confirmed) => {
    if (confirmed === id) resolve(true);
  };
  // The timer does not keep the isolate alive, so the channel has to while it waits.
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
