/**
 * The JetStream stream of a fleet: https://docs.nats.io/reference/reference-protocols/nats_api_reference
 *
 * A block is one message on the subject `audit.FLEET.LOG`. It is spoken to by requests alone, so a machine
 * needs no permission but to publish to its own subject and to ask for the last message of it.
 *
 * @module
 */
import { headers } from "@nats-io/nats-core";
import { messageOf } from "../errors.ts";
import type { FleetConnection, FleetMessage } from "./connection.ts";
import { type BlockFacts, factsOf } from "./block.ts";
import type { BlockMessage } from "./block_message.ts";

/** The stream that is used unless another one is named. */
export const DEFAULT_STREAM = "AUDIT";
/** Beside a block, a message holds its headers. */
const HEADERS_BYTES = 4 * 1024;
/** What a server takes unless it says otherwise. */
const DEFAULT_MAX_PAYLOAD = 1024 * 1024;

const NOT_FOUND = 404;
const UNAVAILABLE = 503;
/** Codes of errors of JetStream. */
const WRONG_LAST_SEQUENCE = 10_071;
const NO_MESSAGE_FOUND = 10_037;
const FULL = new Set([10_047, 10_077, 10_023]);

const NAME = /^[A-Za-z0-9_-]{1,64}$/;

const decoder = new TextDecoder();

/** Where the blocks of a log, or of all logs of a fleet, are. */
export interface FleetPlace {
  readonly connection: FleetConnection;
  readonly stream: string;
  /** Milliseconds to wait for an answer. */
  readonly timeoutMs: number;
}

/** A block that is in the stream. */
export interface StoredBlock {
  readonly seq: number;
  readonly log: string;
  readonly facts: BlockFacts;
  /** Its bytes as they are stored. */
  readonly data: Uint8Array;
}

/** What became of a block that was sent. */
export type Published =
  | { readonly outcome: "stored"; readonly seq: number }
  /** It is there already, or another one is where it was to be. */
  | { readonly outcome: "refused" }
  /** There is no room for it, or nobody to store it, for now. */
  | { readonly outcome: "not now"; readonly why: string };

/** Thrown for what a server refuses. */
export class FleetServerError extends Error {
  /** The name of the class. */
  override readonly name = "FleetServerError";
  /** The code of JetStream's error, such as 10059 for a stream that is not there. */
  readonly code: number;

  /** Makes the error. */
  constructor(what: string, { code, description }: { code: number; description: string }) {
    super(`Cannot ${what}: the server says: ${description} (${code})`);
    this.code = code;
  }
}

/** Thrown when a server has not answered for a minute. */
export class FleetTimeoutError extends Error {
  /** The name of the class. */
  override readonly name = "FleetTimeoutError";

  /** Makes the error. */
  constructor(stream: string, { cause }: { cause: unknown }) {
    const reason = messageOf(cause);
    super(`Cannot read stream ${stream}: the server does not answer: ${reason}`, { cause });
  }
}

/**
 * Checks a name that is a part of a subject.
 *
 * @throws {RangeError} naming it.
 */
export function checkName(name: string, what: string): void {
  if (typeof name === "string" && NAME.test(name)) return;
  throw new RangeError(
    `Cannot use ${what}: it must be 1 to 64 letters, digits, "-" or "_", got ${
      JSON.stringify(name)
    }`,
  );
}

/** The subject of a log, or with `*` of all logs of a fleet. */
export function subjectOf(fleet: string, log: string): string {
  return `audit.${fleet}.${log}`;
}

/** How many bytes a message may hold beside its headers, for the server to take it. */
export function dataBytesMax({ info }: FleetConnection): number {
  return (info?.max_payload ?? DEFAULT_MAX_PAYLOAD) - HEADERS_BYTES;
}

/**
 * Sends a block, if the last message of its subject is the one of that sequence, 0 for none.
 *
 * @throws what the connection throws when there is no answer: nobody knows then what became of it.
 */
export async function publish(
  { connection, timeoutMs }: FleetPlace,
  { block, headers: facts, data }: BlockMessage,
  { subject, expectedSeq }: { subject: string; expectedSeq: number },
): Promise<Published> {
  const fields = headers();
  for (const [name, value] of facts) fields.set(name, value);
  // Each of the two keeps out doubles that the other lets pass, while a cluster changes its leader.
  fields.set("Nats-Msg-Id", `${subject}:${block.from}`);
  fields.set("Nats-Expected-Last-Subject-Sequence", `${expectedSeq}`);
  const answer = await connection.request(subject, data, { timeout: timeoutMs, headers: fields });
  const { seq, duplicate, error } = JSON.parse(decoder.decode(answer.data));
  if (error === undefined) {
    // That of another body, perhaps: a duplicate says nothing of what is stored.
    return duplicate === true ? { outcome: "refused" } : { outcome: "stored", seq };
  }
  if (error.err_code === WRONG_LAST_SEQUENCE) return { outcome: "refused" };
  if (FULL.has(error.err_code) || error.code === UNAVAILABLE) {
    return { outcome: "not now", why: errorOf(error).description };
  }
  throw new FleetServerError(`ship to ${subject}`, errorOf(error));
}

/** The last block of a subject; null if there is none. */
export async function lastBlock(place: FleetPlace, subject: string): Promise<StoredBlock | null> {
  // By a subject of its own, to which a permission can be bound.
  const answer = await stored(place, { subject, api: `${place.stream}.${subject}`, question: "" });
  return answer === null ? null : storedBlock(answer);
}

/** The first block of the fleet from a sequence on; null if there is none yet. */
export async function blockFrom(
  place: FleetPlace,
  from: { seq: number; subject: string },
): Promise<StoredBlock | { readonly seq: number } | null> {
  const answer = await storedFrom(place, from);
  return answer === null ? null : storedBlock(answer) ?? { seq: seqOf(answer) };
}

/**
 * The sequence of the last message of the stream; 0 if there is none.
 *
 * @throws {FleetServerError} for a stream that is not there.
 */
export async function lastSeq({ connection, stream, timeoutMs }: FleetPlace): Promise<number> {
  const { state, error } = await askApi(connection, `STREAM.INFO.${stream}`, { timeoutMs });
  if (error !== undefined) throw new FleetServerError(`read stream ${stream}`, errorOf(error));
  const lastSeq = (state as { last_seq?: unknown } | undefined)?.last_seq;
  return typeof lastSeq === "number" ? lastSeq : 0;
}

/**
 * The sequence of the last message of a subject, by the leader of the stream, who has all of it; 0 if there
 * is none.
 *
 * @throws {FleetServerError} for a stream that is not there.
 */
export async function lastSeqOf(
  { connection, stream, timeoutMs }: FleetPlace,
  subject: string,
): Promise<number> {
  const { message, error } = await askApi(connection, `STREAM.MSG.GET.${stream}`, {
    question: { last_by_subj: subject },
    timeoutMs,
  });
  if (error?.err_code === NO_MESSAGE_FOUND) return 0;
  if (error !== undefined) throw new FleetServerError(`read stream ${stream}`, errorOf(error));
  const seq = (message as { seq?: unknown } | undefined)?.seq;
  return typeof seq === "number" ? seq : 0;
}

/** Asks JetStream for something; an error that it tells of is in the answer. */
export async function askApi(
  connection: FleetConnection,
  subject: string,
  { question = {}, timeoutMs: timeout }: { question?: unknown; timeoutMs: number },
): Promise<{ readonly error?: ApiError; readonly [name: string]: unknown }> {
  const answer = await connection.request(`$JS.API.${subject}`, JSON.stringify(question), {
    timeout,
  });
  return JSON.parse(decoder.decode(answer.data));
}

/** The first message from a sequence on, and when it was stored; null if there is none. */
export async function storedAt(
  place: FleetPlace,
  from: { seq: number; subject: string },
): Promise<{ readonly seq: number; readonly epochMs: number } | null> {
  const answer = await storedFrom(place, from);
  if (answer === null) return null;
  return { seq: seqOf(answer), epochMs: Date.parse(answer.headers!.get("Nats-Time-Stamp")) };
}

function storedFrom(
  place: FleetPlace,
  { seq, subject }: { seq: number; subject: string },
): Promise<FleetMessage | null> {
  const question = JSON.stringify({ seq, next_by_subj: subject });
  return stored(place, { subject, api: place.stream, question });
}

/** The message that is asked for; null if there is none. */
async function stored(
  { connection, timeoutMs: timeout }: FleetPlace,
  { subject, api, question }: { subject: string; api: string; question: string },
): Promise<FleetMessage | null> {
  const answer = await connection.request(`$JS.API.DIRECT.GET.${api}`, question, { timeout });
  const { headers } = answer;
  if (headers === undefined) {
    throw new Error(`Cannot read ${subject}: the answer of the server has no headers`);
  }
  if (headers.code === NOT_FOUND) return null;
  if (headers.code >= 400) {
    throw new Error(`Cannot read ${subject}: the server answers with status ${headers.code}`);
  }
  return answer;
}

function seqOf({ headers }: FleetMessage): number {
  return Number(headers!.get("Nats-Sequence"));
}

function storedBlock(answer: FleetMessage): StoredBlock | null {
  const headers = answer.headers!;
  const facts = factsOf((name) => headers.get(name));
  if (facts === null) return null;
  return { seq: seqOf(answer), log: logIn(headers.get("Nats-Subject")), facts, data: answer.data };
}

/** The log that a subject is of. */
export function logIn(subject: string): string {
  return subject.slice(subject.lastIndexOf(".") + 1);
}

/** An error as JetStream tells of it. */
export interface ApiError {
  readonly err_code?: number;
  readonly code?: number;
  readonly description?: string;
}

/** What an error says. */
export function errorOf(
  { err_code, code, description }: ApiError,
): { code: number; description: string } {
  return { code: err_code ?? code ?? 0, description: description ?? "nothing" };
}
