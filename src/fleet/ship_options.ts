/**
 * The options, the report and the errors of `ship()`, which copies a log into the NATS stream of a fleet.
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

/** Options of {@linkcode ship}. */
export interface ShipOptions {
  /** Connection to the server. {@linkcode ship} does not close the connection. */
  connection: FleetConnection;
  /** Name of the fleet: 1 to 64 letters, digits, "-" and "_". */
  fleet: string;
  /** Name of the log, unique in the fleet: 1 to 64 letters, digits, "-" and "_". */
  log: string;
  /**
   * Path of the active file of the log, or its `file:` URL.
   *
   * @default {"~/.scout/audit.jsonl"}
   */
  path?: string | URL;
  /**
   * Name of the NATS stream that receives the log: 1 to 64 letters, digits, "-" and "_".
   *
   * @default {"AUDIT"}
   */
  stream?: string;
  /**
   * Whether shipping ends after the lines that the log had at the start. If `false`, shipping continues with new lines
   * until `signal` is aborted.
   *
   * @default {false}
   */
  once?: boolean;
  /**
   * Encoding of the blocks, which are ranges of bytes of the log: "gzip" compresses them, "identity" does not.
   *
   * @default {"gzip"}
   */
  encoding?: "gzip" | "identity";
  /**
   * Maximum number of bytes of the log in a block, a number > 0. Larger numbers are reduced to the upper limit: 64 MiB
   * with the encoding "gzip", and the maximum message size of the server with "identity". The default is 4 MiB.
   *
   * @default {4_194_304}
   */
  blockBytes?: number;
  /**
   * Minimum time in seconds between two reads of the log, a number >= 0. Lines that are written between two reads are
   * shipped together. If the number is 0, new lines are shipped at once.
   *
   * @default {0}
   */
  intervalSec?: number;
  /**
   * Maximum time in seconds to wait for a response of the server, a number > 0. If the server does not respond in time,
   * the request is retried.
   *
   * @default {5}
   */
  timeoutSec?: number;
  /**
   * Function that is called after each block, with the position that shipping has reached and the numbers of blocks and
   * bytes that were sent.
   *
   * @default {undefined}
   */
  onProgress?: (report: ShipReport) => void;
  /**
   * Logger for warnings. By default, warnings are written to standard error.
   *
   * @default {logger}
   */
  logger?: Logger;
  /**
   * Signal that ends shipping. If it aborts, the promise of {@linkcode ship} resolves with the report and does not
   * reject.
   *
   * @default {undefined}
   */
  signal?: AbortSignal;
}

/** {@linkcode ShipOptions} with their defaults filled in. */
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
 * Returns the options with their defaults filled in, and checks every name and value.
 *
 * @throws {TypeError} If an option is unknown or of the wrong type; the message names the option.
 * @throws {RangeError} If an option is out of its range; the message names the option.
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

/** A range of bytes of the log that could not be shipped, because the bytes were deleted or damaged. */
export interface ShipGap {
  /** Position in the log of the first missing byte. */
  readonly from: number;
  /** Position in the log after the last missing byte. */
  readonly to: number;
}

/** The position that shipping a log has reached, and the numbers of blocks and bytes that were sent. */
export interface ShipReport {
  /**
   * Position after the last byte of the log that has been shipped to the NATS stream. A position is an offset in bytes,
   * counted across all files of the log.
   */
  readonly position: number;
  /** Position after the last whole line of the log, when the shipper last read the log. */
  readonly end: number;
  /** Number of blocks (ranges of bytes of the log) that this call of {@linkcode ship} has sent. */
  readonly blocks: number;
  /** Number of bytes of the log that this call of {@linkcode ship} has sent. */
  readonly bytes: number;
  /**
   * The byte ranges of the log that this call of {@linkcode ship} could not send, because they were deleted or damaged.
   */
  readonly gaps: readonly ShipGap[];
}

/**
 * Thrown when the NATS stream already holds a different log under the same name. The shipper then sends nothing more,
 * because it would mix the two logs.
 */
export class FleetMismatchError extends Error {
  /** The name of the class. */
  override readonly name = "FleetMismatchError";
  /**
   * Position at which the block begins that shows the difference. The block is a range of bytes that the stream has and
   * the log does not.
   */
  readonly position: number;

  /**
   * Creates the error.
   *
   * @param path Path of the log that was to be shipped.
   * @param facts The subject of the log in the stream, and the position of the block in the stream that differs from
   *   the log.
   */
  constructor(path: string, facts: { subject: string; position: number }) {
    const { subject, position } = facts;
    super(
      `Cannot ship log: the stream holds a different log as ${subject}, ` +
        `whose block at byte ${position} is not in this log; use another log name: ${path}`,
    );
    this.position = position;
  }
}

/** Thrown when another shipper (another call of `ship()`) sends the same log at the same time. */
export class FleetConflictError extends Error {
  /** The name of the class. */
  override readonly name = "FleetConflictError";

  /**
   * Creates the error.
   *
   * @param subject Subject of the log in the stream.
   */
  constructor(subject: string) {
    super(
      `Cannot continue shipping: another shipper sends the same log; stop one of the two: ${subject}`,
    );
  }
}
