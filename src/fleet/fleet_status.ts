/**
 * The status of the logs of a fleet: logs of many machines that are shipped into one NATS stream.
 *
 * @module
 */
import { abortSignal, checkOptions, type OptionChecks, time } from "../options/option_checks.ts";
import type { TimeLike } from "../time.ts";
import type { FleetFollowConnection } from "./connection.ts";
import { type FleetGap, LogsProgress } from "./log_progress.ts";
import { PLACE_OPTION_CHECKS, readingOf } from "./stored_blocks.ts";
import { type StoredFacts, storedFacts } from "./stored_facts.ts";

/** Options of {@linkcode fleetStatus}. */
export interface FleetStatusOptions {
  /** Connection to the server. {@linkcode fleetStatus} does not close the connection. */
  connection: FleetFollowConnection;
  /** Name of the fleet: 1 to 64 letters, digits, "-" and "_". */
  fleet: string;
  /**
   * Name of the only log to read: 1 to 64 letters, digits, "-" and "_". If it is not set, all logs are read.
   *
   * @default {undefined}
   */
  log?: string;
  /**
   * Name of the NATS stream of the fleet: 1 to 64 letters, digits, "-" and "_".
   *
   * @default {"AUDIT"}
   */
  stream?: string;
  /**
   * Time from which blocks (ranges of bytes of logs) are read. Blocks that the server stored more than 15 minutes
   * before this time are skipped. If `since` is not set, all blocks are read.
   *
   * @default {undefined}
   */
  since?: TimeLike;
  /**
   * Signal that ends the reading. If it aborts, the promise of {@linkcode fleetStatus} rejects with the reason of the
   * signal.
   *
   * @default {undefined}
   */
  signal?: AbortSignal;
}

const OPTION_CHECKS: OptionChecks<FleetStatusOptions> = {
  ...PLACE_OPTION_CHECKS,
  since: time,
  signal: abortSignal,
};

/** The status of one log of a fleet. */
export interface FleetLogStatus {
  /** Name of the log. */
  readonly log: string;
  /** Number of blocks (ranges of bytes of the log) that were read, without duplicates. */
  readonly blocks: number;
  /**
   * Position after the last byte of the log that has been shipped to the NATS stream. A position is an offset in bytes,
   * counted across all files of the log.
   */
  readonly position: number;
  /** Bytes of the log after `position` that were not shipped yet when the shipper sent the last block. */
  readonly lagBytes: number;
  /** Seconds from the latest event of the last block until the block was stored; null if the event time is unknown. */
  readonly lagSec: number | null;
  /** Time of the latest event, ISO 8601; null if no event has a time. */
  readonly lastTs: string | null;
  /** Time at which the last block was stored, by the clock of the server, ISO 8601. */
  readonly storedTs: string;
  /** The ranges of bytes of the log that are missing in the stream, as positions. */
  readonly gaps: readonly Pick<FleetGap, "from" | "to">[];
}

/**
 * Reads the status of the logs of a fleet from the headers of their blocks.
 *
 * Needs `--allow-net` for the connection.
 *
 * @param options The fleet, and the range of blocks to read.
 * @returns The status of each log, sorted by name.
 * @throws {TypeError} If an option is unknown or of the wrong type; the message names the option.
 * @throws {RangeError} If an option is out of its range or a name is invalid; the message names the option.
 * @throws {FleetServerError} If the stream does not exist.
 * @throws {FleetTimeoutError} If the server does not respond for a minute.
 *
 * @example
 * ```ts ignore
 * import { connect } from "@nats-io/transport-node";
 * import { fleetStatus } from "@vivarium/scout/fleet";
 *
 * const connection = await connect({ servers: "127.0.0.1:4222" });
 * for (const { log, position, lagBytes, gaps } of await fleetStatus({ connection, fleet: "mine" })) {
 *   console.log(log, position, lagBytes, gaps.length);
 * }
 * ```
 */
export async function fleetStatus(options: FleetStatusOptions): Promise<FleetLogStatus[]> {
  checkOptions(options, OPTION_CHECKS, "read the status of a fleet");
  const { connection, since } = options;
  const reading = readingOf(options, { follow: false });
  const logs = new Map<string, LogTally>();
  const progress = new LogsProgress(
    ({ log, from, to }) => logs.get(log)!.gaps.push({ from, to }),
    { isFromStart: since === undefined },
  );
  for await (const stored of storedFacts({ ...reading, connection })) {
    if (stored === null) break;
    let tally = logs.get(stored.log);
    if (tally === undefined) logs.set(stored.log, tally = new LogTally());
    const { facts } = stored;
    const seen = progress.of(stored.log, facts);
    if (seen.hasSeen(facts)) continue;
    seen.pass(facts);
    tally.add(stored);
  }
  return [...logs].sort(([a], [b]) => a < b ? -1 : 1).map(([log, tally]) => tally.status(log));
}

/** Collects the status of one log while the headers of its blocks are read. */
class LogTally {
  readonly gaps: { from: number; to: number }[] = [];
  #blocks = 0;
  #lastMs = -Infinity;
  #last: StoredFacts | undefined;

  add(stored: StoredFacts): void {
    this.#blocks++;
    this.#last = stored;
    const lastMs = stored.facts.figures?.lastMs ?? NaN;
    if (lastMs > this.#lastMs) this.#lastMs = lastMs;
  }

  status(log: string): FleetLogStatus {
    const { facts, storedMs } = this.#last!;
    const { to, logEnd, figures } = facts;
    const lagMs = storedMs - (figures?.lastMs ?? NaN);
    return {
      log,
      blocks: this.#blocks,
      position: to,
      lagBytes: logEnd - to,
      lagSec: Number.isNaN(lagMs) ? null : Math.max(0, lagMs / 1000),
      lastTs: this.#lastMs === -Infinity ? null : new Date(this.#lastMs).toISOString(),
      storedTs: new Date(storedMs).toISOString(),
      gaps: this.gaps,
    };
  }
}
