/**
 * What shipping is told, what it tells, and what ends it.
 *
 * @module
 */
import { type Logger, logger as defaultLogger } from "../logger.ts";
import {
  abortSignal,
  anything,
  callback,
  checkOptions,
  flag,
  number,
  oneOf,
  type OptionChecks,
} from "../options/option_checks.ts";
import { LOG_OPTION_CHECKS, resolveOptions } from "../options/log_options.ts";
import { BLOCK_BYTES_MAX } from "./block.ts";
import type { Encoding } from "./block_encoding.ts";
import type { FleetConnection } from "./connection.ts";
import { checkName, dataBytesMax, DEFAULT_STREAM } from "./fleet_stream.ts";

const BLOCK_BYTES = 4 * 1024 * 1024;
const TIMEOUT_SEC = 5;

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

/** {@linkcode ShipOptions} as they are meant. */
export interface ResolvedShipOptions {
  readonly connection: FleetConnection;
  readonly fleet: string;
  readonly log: string;
  readonly path: string;
  readonly stream: string;
  readonly once: boolean;
  readonly encoding: Encoding;
  readonly blockBytesMax: number;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly onProgress: ((report: ShipReport) => void) | undefined;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

const OPTION_CHECKS: OptionChecks<ShipOptions> = {
  connection: anything,
  fleet: anything,
  log: anything,
  path: anything,
  stream: anything,
  once: flag,
  encoding: oneOf("gzip", "identity"),
  blockBytes: number(0, { unit: "bytes", orEqual: false }),
  intervalSec: number(0, { unit: "seconds", orEqual: true }),
  timeoutSec: number(0, { unit: "seconds", orEqual: false }),
  onProgress: callback,
  logger: LOG_OPTION_CHECKS.logger,
  signal: abortSignal,
};

/**
 * Checks the options, and fills them in.
 *
 * @throws {TypeError} If an option is unknown or of the wrong type; names it.
 * @throws {RangeError} If an option is out of its range; names it.
 */
export function resolveShipOptions(options: ShipOptions): ResolvedShipOptions {
  const { connection, fleet, log, stream = DEFAULT_STREAM, encoding = "gzip" } = options;
  const { blockBytes = BLOCK_BYTES, timeoutSec = TIMEOUT_SEC, intervalSec = 0 } = options;
  checkOptions(options, OPTION_CHECKS, "ship");
  checkName(fleet, "fleet");
  checkName(log, "log");
  checkName(stream, "stream");
  const { path } = resolveOptions(options.path === undefined ? {} : { path: options.path });
  const longest = encoding === "gzip" ? BLOCK_BYTES_MAX : dataBytesMax(connection);
  return {
    ...{ connection, fleet, log, path, stream, encoding },
    once: options.once ?? false,
    blockBytesMax: Math.min(Math.ceil(blockBytes), longest),
    intervalMs: intervalSec * 1000,
    timeoutMs: timeoutSec * 1000,
    onProgress: options.onProgress,
    logger: options.logger ?? defaultLogger,
    signal: options.signal ?? new AbortController().signal,
  };
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
      `Cannot ship log: it is another one than is in the stream as ${facts.subject}: at byte ${facts.position} they differ: ${path}`,
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
    super(`Cannot go on shipping: another shipper sends the same log: ${subject}`);
  }
}
