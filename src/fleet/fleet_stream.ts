/**
 * The JetStream stream into which the logs of a fleet (many machines) are shipped:
 * https://docs.nats.io/reference/reference-protocols/nats_api_reference
 *
 * A block of log lines is one message on the subject `audit.FLEET.LOG`. All access to the stream is by requests,
 * without subscriptions. So a machine that ships a log needs only two permissions: to publish to the subject of the
 * log, and to request its last message.
 *
 * @module
 */
import { headers } from "@nats-io/nats-core";
import { messageOf } from "../errors.ts";
import { FLEET_NAME } from "../segments/shipped_file.ts";
import type { FleetConnection, FleetMessage } from "./connection.ts";
import { type BlockFacts, factsOf } from "./block.ts";
import type { BlockMessage } from "./block_message.ts";

/** Default name of the NATS stream of a fleet. */
export const DEFAULT_STREAM = "AUDIT";
/** Number of bytes of a message that are reserved for its headers. */
const HEADERS_BYTES = 4 * 1024;
/** Assumed maximum message size in bytes, if the server does not report its maximum. */
const DEFAULT_MAX_PAYLOAD = 1024 * 1024;

const NOT_FOUND = 404;
const UNAVAILABLE = 503;
/** Error codes of JetStream: https://github.com/nats-io/nats-server/blob/main/server/errors.json */
const NO_MESSAGE_FOUND = 10_037;
/**
 * Error codes of JetStream for a block that does not follow the last block of the log. A cluster of NATS 2.11 or later
 * also rejects a block while it is still storing a block with the same ID (10158) or another block of the log (10164).
 */
const REFUSED = new Set([10_071, 10_158, 10_164]);
/**
 * Error codes of JetStream for a server, an account or a stream without room. Since NATS 2.11, also for too many
 * requests. A later attempt may succeed.
 */
const NOT_NOW = new Set([10_002, 10_023, 10_047, 10_077, 10_167]);

const decoder = new TextDecoder();

/** The NATS stream of a fleet, and the connection to its server. */
export interface FleetPlace {
  readonly connection: FleetConnection;
  readonly stream: string;
  /** Maximum time to wait for a response of the server, in milliseconds. */
  readonly timeoutMs: number;
}

/** A block (a range of bytes of a log) that is stored in the NATS stream. */
export interface StoredBlock {
  readonly seq: number;
  readonly log: string;
  readonly facts: BlockFacts;
  /** The bytes of the block as they are stored, compressed or not. */
  readonly data: Uint8Array;
}

/** The outcome of sending a block (a range of bytes of a log) to the server. */
export type Published =
  | { readonly outcome: "stored"; readonly seq: number }
  /**
   * The server did not store the block: it is a duplicate, the last block in the stream is not the one that the shipper
   * expected, or the server is still storing another block.
   */
  | { readonly outcome: "refused"; readonly why: string }
  /**
   * The server did not store the block, because there is no room or no server is available. A later attempt may
   * succeed.
   */
  | { readonly outcome: "not now"; readonly why: string };

/** Thrown when the NATS server rejects a request, for example because the stream does not exist. */
export class FleetServerError extends Error {
  /** The name of the class. */
  override readonly name = "FleetServerError";
  /** Error code of JetStream, such as 10059 for a stream that does not exist. */
  readonly code: number;

  /**
   * Creates the error.
   *
   * @param action The action that failed, for the message: "read stream AUDIT".
   * @param error The error code and the description from the server.
   */
  constructor(action: string, error: { code: number; description: string }) {
    super(`Cannot ${action}: ${error.description} (server error ${error.code})`);
    this.code = error.code;
  }
}

/** Thrown when the NATS server has not responded for a minute. */
export class FleetTimeoutError extends Error {
  /** The name of the class. */
  override readonly name = "FleetTimeoutError";

  /**
   * Creates the error.
   *
   * @param stream Name of the NATS stream that could not be read.
   * @param options `cause` is the error of the last request.
   */
  constructor(stream: string, options: { cause: unknown }) {
    const reason = messageOf(options.cause);
    super(`Cannot read stream ${stream}: the server does not respond: ${reason}`, options);
  }
}

/**
 * Checks the name of a fleet, a log or a stream. `what` is the kind of name, for the message.
 *
 * @throws {RangeError} If the name is invalid; the message contains it.
 */
export function checkName(name: string, what: string): void {
  if (typeof name === "string" && FLEET_NAME.test(name)) return;
  throw new RangeError(
    `Cannot use name of ${what}: the name must be 1 to 64 letters, digits, "-" or "_", got ${
      JSON.stringify(name)
    }`,
  );
}

/** Returns the subject of a log, or of all logs of a fleet if `log` is `*`. */
export function subjectOf(fleet: string, log: string): string {
  return `audit.${fleet}.${log}`;
}

/** Returns the maximum size of the data of a message that the server accepts, in bytes. */
export function dataBytesMax({ info }: FleetConnection): number {
  return (info?.max_payload ?? DEFAULT_MAX_PAYLOAD) - HEADERS_BYTES;
}

/**
 * Sends a block. The server stores the block only if `expectedSeq` is the sequence number of the last message of the
 * subject, or 0 if the subject has no messages. If the server does not respond, the promise rejects with the error of
 * the connection; the block may nevertheless be stored.
 *
 * @throws {FleetServerError} If the server rejects the block, and a retry would be useless.
 */
export async function publish(
  { connection, timeoutMs }: FleetPlace,
  { block, headers: facts, data }: BlockMessage,
  { subject, expectedSeq }: { subject: string; expectedSeq: number },
): Promise<Published> {
  const fields = headers();
  for (const [name, value] of facts) fields.set(name, value);
  // The message ID and the expected sequence number each let the server detect duplicates. Both are sent, because one
  // of the two checks can fail while a cluster elects a leader.
  fields.set("Nats-Msg-Id", `${subject}:${block.from}`);
  fields.set("Nats-Expected-Last-Subject-Sequence", `${expectedSeq}`);
  const answer = await connection.request(subject, data, { timeout: timeoutMs, headers: fields });
  const { seq, duplicate, error } = JSON.parse(decoder.decode(answer.data));
  if (error === undefined) {
    // A duplicate is not reported as stored, because the stored block may have other bytes: the server detects a
    // duplicate by its ID, not by its content.
    return duplicate === true
      ? { outcome: "refused", why: "the server has stored this block before" }
      : { outcome: "stored", seq };
  }
  const { description: why } = errorOf(error);
  if (REFUSED.has(error.err_code)) return { outcome: "refused", why };
  if (NOT_NOW.has(error.err_code) || error.code === UNAVAILABLE) return { outcome: "not now", why };
  throw new FleetServerError(`ship to ${subject}`, errorOf(error));
}

/** Reads the last block of a subject. Resolves with null if the subject has no blocks. */
export async function lastBlock(place: FleetPlace, subject: string): Promise<StoredBlock | null> {
  // The API subject of the request contains the subject of the log. So a permission of the server can allow a machine
  // to read its own log and no other.
  const answer = await stored(place, { subject, api: `${place.stream}.${subject}`, question: "" });
  return answer === null ? null : storedBlock(answer);
}

/**
 * Reads the first message of a subject whose sequence number is at least `seq`. Resolves with null if there is no such
 * message yet. If the message is not a valid block, resolves with its sequence number alone.
 */
export async function blockFrom(
  place: FleetPlace,
  from: { seq: number; subject: string },
): Promise<StoredBlock | { readonly seq: number } | null> {
  const answer = await storedFrom(place, from);
  return answer === null ? null : storedBlock(answer) ?? { seq: seqOf(answer) };
}

/**
 * Reads the sequence number of the last message of the stream, or 0 if the stream is empty.
 *
 * @throws {FleetServerError} If the stream does not exist.
 */
export async function lastSeq({ connection, stream, timeoutMs }: FleetPlace): Promise<number> {
  const { state, error } = await askApi(connection, `STREAM.INFO.${stream}`, { timeoutMs });
  if (error !== undefined) throw new FleetServerError(`read stream ${stream}`, errorOf(error));
  const lastSeq = (state as { last_seq?: unknown } | undefined)?.last_seq;
  return typeof lastSeq === "number" ? lastSeq : 0;
}

/**
 * Reads the sequence number of the last message of a subject, or 0 if the subject has no messages. The leader of the
 * stream responds to this request. The leader has every message, whereas other members of a cluster may lack the last
 * messages.
 *
 * @throws {FleetServerError} If the stream does not exist.
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

/** Sends a request to the JetStream API. Resolves with the response, which may contain an error. */
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

/**
 * Reads the sequence number and the time of the first message of a subject whose sequence number is at least `seq`.
 * Resolves with null if there is no such message.
 */
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

/**
 * Reads a stored message. Resolves with null if the message does not exist.
 *
 * @throws {Error} If the response has no headers or an error status.
 */
async function stored(
  { connection, timeoutMs: timeout }: FleetPlace,
  { subject, api, question }: { subject: string; api: string; question: string },
): Promise<FleetMessage | null> {
  const answer = await connection.request(`$JS.API.DIRECT.GET.${api}`, question, { timeout });
  const { headers } = answer;
  if (headers === undefined) {
    throw new Error(`Cannot read ${subject}: the response of the server has no headers`);
  }
  if (headers.code === NOT_FOUND) return null;
  if (headers.code >= 400) {
    throw new Error(`Cannot read ${subject}: the server responded with status ${headers.code}`);
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

/** Returns the name of the log in a subject: "LOG" of "audit.FLEET.LOG". */
export function logIn(subject: string): string {
  return subject.slice(subject.lastIndexOf(".") + 1);
}

/** An error in a response of the JetStream API. */
export interface ApiError {
  readonly err_code?: number;
  readonly code?: number;
  readonly description?: string;
}

/** Returns the code and the description of an error from JetStream. */
export function errorOf(
  { err_code, code, description }: ApiError,
): { code: number; description: string } {
  return { code: err_code ?? code ?? 0, description: description ?? "no description" };
}
