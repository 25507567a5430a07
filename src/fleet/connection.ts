/**
 * The types of the NATS connection that the caller passes in. They have only the members that this package uses.
 *
 * The types are structural: a connection from `wsconnect()` of `@nats-io/nats-core` or from `connect()` of
 * `@nats-io/transport-node` fits them. So a caller can use either package, and this module imports neither.
 *
 * @module
 */

/** The headers of a NATS message, as `@nats-io/nats-core` implements them. */
export interface FleetHeaders {
  /** Status code from the server, such as 404 if the requested message does not exist; 0 without a status. */
  readonly code: number;
  /**
   * Returns the value of a header.
   *
   * @param name Name of the header.
   * @returns The value, or "" if the header is missing.
   */
  get(name: string): string;
}

/** A message of NATS. */
export interface FleetMessage {
  /** Subject that the message was sent to. */
  readonly subject: string;
  /**
   * Subject for a reply. If JetStream delivers the message through a consumer (a cursor on the server), this subject
   * contains the sequence number of the message in the stream.
   */
  readonly reply?: string;
  /** Payload of the message. */
  readonly data: Uint8Array;
  /** Headers of the message, if it has any. */
  readonly headers?: FleetHeaders;
}

/** The options of a request with one response. */
export interface FleetRequestOptions {
  /** Time to wait for the response, in milliseconds. */
  timeout: number;
  /**
   * Headers of the request, created with `headers()` of `@nats-io/nats-core`.
   *
   * @default {undefined}
   */
  headers?: FleetHeaders;
}

/** The options of a request with several responses. */
export interface FleetRequestManyOptions {
  /** Strategy of the request: "timer" collects responses until `maxWait` is over. */
  strategy: "timer";
  /** Time to wait for responses, in milliseconds. */
  maxWait: number;
  /**
   * Whether the request uses a separate subscription; always `true`. The responses have the subjects of the stored
   * messages, so on a shared subscription they could not be assigned to their request.
   */
  noMux: true;
}

/** A connection to a NATS server. */
export interface FleetConnection {
  /** Information that the server sends to a new connection; `max_payload` is its maximum message size in bytes. */
  readonly info?: { readonly max_payload: number } | undefined;
  /**
   * Sends a request and waits for one response.
   *
   * @param subject Subject of the request.
   * @param payload Payload of the request; empty by default.
   * @param options Timeout and headers of the request.
   * @returns The response. Rejects if the server does not respond in time.
   */
  request(
    subject: string,
    payload?: Uint8Array | string,
    options?: FleetRequestOptions,
  ): Promise<FleetMessage>;
}

/** A connection to a NATS server that can also receive several responses to one request. */
export interface FleetFollowConnection extends FleetConnection {
  /**
   * Sends a request and returns the responses as they arrive.
   *
   * @param subject Subject of the request.
   * @param payload Payload of the request; empty by default.
   * @param options Strategy and timeout of the request.
   * @returns The responses that arrive until `maxWait` is over.
   */
  requestMany(
    subject: string,
    payload?: Uint8Array | string,
    options?: FleetRequestManyOptions,
  ): Promise<AsyncIterable<FleetMessage>>;
}

/** Names of the errors of a NATS connection after which a retry is useless, because it would fail in the same way. */
const FINAL = ["ClosedConnectionError", "DrainingConnectionError", "PermissionViolationError"];

/**
 * Checks whether a retry after an error is useless, because the connection is closed or its user lacks the permission.
 */
export function isFinal(error: unknown): boolean {
  return error instanceof Error && (FINAL.includes(error.name) || isFinal(error.cause));
}
