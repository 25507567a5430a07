/**
 * How the logs of a fleet stand.
 *
 * @module
 */
import { abortSignal, checkOptions, type OptionChecks, time } from "../options/option_checks.ts";
import type { TimeLike } from "../time.ts";
import type { FleetFollowConnection } from "./connection.ts";
import { type FleetGap, LogsProgress } from "./log_progress.ts";
import { PLACE_OPTION_CHECKS, readingOf } from "./stored_blocks.ts";
import { type StoredFacts, storedFacts } from "./stored_facts.ts";

/** Whose state to look at. */
export interface FleetStatusOptions {
  /** The connection to the server; it is not closed. */
  connection: FleetFollowConnection;
  /** Name of the fleet. */
  fleet: string;
  /** Of this log alone. */
  log?: string;
  /** Name of the stream; default "AUDIT". */
  stream?: string;
  /** Look at what was shipped from about this time on; default all of it. */
  since?: TimeLike;
  /** Ends it with the reason of the abort. */
  signal?: AbortSignal;
}

const OPTION_CHECKS: OptionChecks<FleetStatusOptions> = {
  ...PLACE_OPTION_CHECKS,
  since: time,
  signal: abortSignal,
};

/** How a log stands. */
export interface FleetLogStatus {
  /** Name of the log. */
  readonly log: string;
  /** Blocks that were looked at. */
  readonly blocks: number;
  /** The position behind the last byte that is in the stream. */
  readonly position: number;
  /** Bytes that the log had behind it, when its shipper sent the last block. */
  readonly lagBytes: number;
  /** Seconds from the latest event of the last block until it was stored; null when none has a time. */
  readonly lagSec: number | null;
  /** When the latest event was, ISO 8601; null when none has a time. */
  readonly lastTs: string | null;
  /** When the last block was stored, by the clock of the server, ISO 8601. */
  readonly storedTs: string;
  /** What is missing, by positions. */
  readonly gaps: readonly Pick<FleetGap, "from" | "to">[];
}

/**
 * Finds out how the logs of a fleet stand, by name, from the headers of their blocks.
 *
 * Needs `--allow-net` for the connection.
 *
 * @throws {RangeError} or {@linkcode TypeError} for an option that is none, naming it.
 * @throws {FleetServerError} for a stream that is not there.
 * @throws {FleetTimeoutError} for a server that does not answer for a minute.
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
  checkOptions(options, OPTION_CHECKS, "read the state of a fleet");
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

/** What is known of a log. */
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
