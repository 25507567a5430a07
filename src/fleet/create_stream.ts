/**
 * Making the stream of a fleet.
 *
 * @module
 */
import {
  anything,
  checkOptions,
  integer,
  number,
  type OptionChecks,
} from "../options/option_checks.ts";
import type { FleetConnection } from "./connection.ts";
import { askApi, checkName, DEFAULT_STREAM, errorOf, FleetServerError } from "./fleet_stream.ts";

/** JetStream's code for a stream that is there already. */
const STREAM_NAME_IN_USE = 10_058;

/** Settings of a stream; what is not here may be whatever its owner wants. */
export interface FleetStreamOptions {
  /** The connection, which has to be allowed to make streams. */
  connection: FleetConnection;
  /** Name of the stream; default "AUDIT". */
  stream?: string;
  /** How many servers of a cluster hold it: 1, 3 or 5; default 1. */
  replicas?: number;
  /** Bytes that it may take; default no limit but the server's. */
  maxBytes?: number;
  /** Seconds that a block is kept; default 30 days. */
  maxAgeSec?: number;
}

const OPTION_CHECKS: OptionChecks<FleetStreamOptions> = {
  connection: anything,
  stream: anything,
  replicas: integer(1),
  maxBytes: integer(1),
  maxAgeSec: number(0, { unit: "seconds", orEqual: false }),
};
const MAX_AGE_SEC = 30 * 86_400;
const NANOSECONDS = 1e9;
const TIMEOUT_MS = 5_000;
const DUPLICATE_WINDOW_SEC = 120;

/**
 * Makes the stream of a fleet, or finds that it is there with the same settings: in files, never dropping
 * old blocks for new ones, and without a way to take single ones out.
 *
 * Needs `--allow-net` for the connection, and a user of the server who may make streams.
 *
 * @throws {RangeError} for a name that is none.
 * @throws {FleetServerError} for a stream that is there with other settings, naming them.
 *
 * @example
 * ```ts ignore
 * import { connect } from "@nats-io/transport-node";
 * import { createFleetStream } from "@vivarium/scout/fleet";
 *
 * const connection = await connect({ servers: "127.0.0.1:4222" });
 * await createFleetStream({ connection, replicas: 3, maxBytes: 160e9 });
 * ```
 */
export async function createFleetStream(options: FleetStreamOptions): Promise<void> {
  checkOptions(options, OPTION_CHECKS, "create stream");
  const { connection, stream = DEFAULT_STREAM, replicas = 1, maxBytes = -1 } = options;
  const { maxAgeSec = MAX_AGE_SEC } = options;
  checkName(stream, "stream");
  const wanted = {
    name: stream,
    subjects: ["audit.*.*"],
    retention: "limits",
    storage: "file",
    discard: "new",
    num_replicas: replicas,
    max_bytes: maxBytes,
    max_age: maxAgeSec * NANOSECONDS,
    max_msgs_per_subject: -1,
    duplicate_window: Math.min(DUPLICATE_WINDOW_SEC, maxAgeSec) * NANOSECONDS,
    deny_delete: true,
    deny_purge: true,
    allow_direct: true,
  };
  const asking = { question: wanted, timeoutMs: TIMEOUT_MS };
  const created = await askApi(connection, `STREAM.CREATE.${stream}`, asking);
  if (created.error !== undefined && created.error.err_code !== STREAM_NAME_IN_USE) {
    throw new FleetServerError(`make stream ${stream}`, errorOf(created.error));
  }
  const { error, ...info } = await askApi(connection, `STREAM.INFO.${stream}`, {
    timeoutMs: TIMEOUT_MS,
  });
  if (error !== undefined) throw new FleetServerError(`make stream ${stream}`, errorOf(error));
  const config = info["config"] as Readonly<Record<string, unknown>> | undefined;
  const differing = Object.entries(wanted)
    .filter(([name, value]) => JSON.stringify(config?.[name]) !== JSON.stringify(value))
    .map(([name, value]) => `${name} is ${JSON.stringify(config?.[name])}, not ${value}`);
  if (differing.length === 0) return;
  const description = `it is there with other settings: ${differing.join(", ")}`;
  throw new FleetServerError(`make stream ${stream}`, {
    code: STREAM_NAME_IN_USE,
    description,
  });
}
