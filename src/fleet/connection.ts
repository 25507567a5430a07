/**
 * The connection to NATS that a fleet uses: its user's own, by the few members that are called.
 *
 * The types are structural, so that whatever `wsconnect()` of `@nats-io/nats-core` or `connect()` of
 * `@nats-io/transport-node` gives is one, and this package is bound to no version of theirs.
 *
 * @module
 */

/** The headers of a message, of `@nats-io/nats-core`. */
export interface FleetHeaders {
  /** Status of an answer of the server; 404 where there is no such message. */
  readonly code: number;
  /** The value of a header; "" if there is none. */
  get(name: string): string;
}

/** A message. */
export interface FleetMessage {
  /** Where it was sent to. */
  readonly subject: string;
  /** Where an answer would go to; of one that is stored, it tells which one it is. */
  readonly reply?: string;
  /** What it holds. */
  readonly data: Uint8Array;
  /** What it says of itself, if anything. */
  readonly headers?: FleetHeaders;
}

/** How a request is made. */
export interface FleetRequestOptions {
  /** Milliseconds to wait for the answer. */
  timeout: number;
  /** Made by the library of the connection. */
  headers?: FleetHeaders;
}

/** How several answers are waited for. */
export interface FleetRequestManyOptions {
  /** Until the time is over. */
  strategy: "timer";
  /** Milliseconds. */
  maxWait: number;
  /** By a subscription of its own, as the answers have the subjects of what is stored. */
  noMux: true;
}

/** A connection. */
export interface FleetConnection {
  /** What the server said of itself when it was connected to. */
  readonly info?: { readonly max_payload: number } | undefined;
  /** Asks and waits for one answer. */
  request(
    subject: string,
    payload?: Uint8Array | string,
    options?: FleetRequestOptions,
  ): Promise<FleetMessage>;
}

/** A connection that can also be told of what is stored. */
export interface FleetFollowConnection extends FleetConnection {
  /** Asks and gives the answers as they come. */
  requestMany(
    subject: string,
    payload?: Uint8Array | string,
    options?: FleetRequestManyOptions,
  ): Promise<AsyncIterable<FleetMessage>>;
}

/** What a connection says, in its own words, when trying again is of no use. */
const FINAL = ["ClosedConnectionError", "DrainingConnectionError", "PermissionViolationError"];

/** Whether there is no use in asking again, as the connection is closed, or not allowed to ask. */
export function isFinal(error: unknown): boolean {
  return error instanceof Error && (FINAL.includes(error.name) || isFinal(error.cause));
}
