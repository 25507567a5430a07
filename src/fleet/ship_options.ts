/**
 * What shipping is told, what it tells, and what ends it.
 *
 * @module
 */
import type { Logger } from "../logger.ts";
import type { FleetConnection } from "./connection.ts";

/** What to ship, and where to. */
export interface ShipOptions {
  /** The connection to the server; it is not closed. */
  connection: FleetConnection;
  /** Name of the fleet: letters, digits, "-" and "_". */
  fleet: string;
  /** Name of the log, which no other one in the fleet has. */
  log: string;
  /** The active file of the log; default `DEFAULT_AUDIT_PATH`. */
  path?: string | URL;
  /** Name of the stream; default "AUDIT". */
  stream?: string;
  /** Whether to end when everything is shipped, rather than to go on as it is written; default false. */
  once?: boolean;
  /** How blocks are stored; default "gzip", which is less to send and to store, and "identity" as they are. */
  encoding?: "gzip" | "identity";
  /** Bytes of the log in a block at most; default 4 MiB, and as they are what the server takes. */
  blockBytes?: number;
  /**
   * Seconds from one look at the log to the next, so that what is written meanwhile goes as one block;
   * default 0, at once.
   */
  intervalSec?: number;
  /** Seconds to wait for an answer of the server; default 5. */
  timeoutSec?: number;
  /** Told how far it is, after each block. */
  onProgress?: (report: ShipReport) => void;
  /** Where messages go; default the library's. */
  logger?: Logger;
  /** Ends it, which is no error. */
  signal?: AbortSignal;
}

/** What could not be shipped, as it was gone or damaged, by its positions. */
export interface ShipGap {
  /** The position of the first byte that is missing. */
  readonly from: number;
  /** The position of the first one that is there again. */
  readonly to: number;
}

/** How far a log is shipped. */
export interface ShipReport {
  /** The position behind the last byte that is in the stream. */
  readonly position: number;
  /** The position behind the last whole line of the log, when it was looked at last. */
  readonly end: number;
  /** Blocks that this shipper has sent. */
  readonly blocks: number;
  /** Bytes that it has sent. */
  readonly bytes: number;
  /** What it could not send. */
  readonly gaps: readonly ShipGap[];
}

/** Thrown when the log is not the one that is in the stream; nothing was sent. */
export class FleetMismatchError extends Error {
  /** The name of the class. */
  override readonly name = "FleetMismatchError";
  /** Where the block begins that the log does not have. */
  readonly position: number;

  /** Makes the error. */
  constructor(path: string, facts: { subject: string; position: number }) {
    super(
      `Cannot ship log as it is another one than is in the stream as ${facts.subject}: at byte ${facts.position} they differ: ${path}`,
    );
    this.position = facts.position;
  }
}

/** Thrown when another shipper sends the same log. */
export class FleetConflictError extends Error {
  /** The name of the class. */
  override readonly name = "FleetConflictError";

  /** Makes the error. */
  constructor(subject: string) {
    super(`Cannot go on shipping as another shipper sends the same log: ${subject}`);
  }
}
