/**
 * Creates the NATS stream of a fleet, into which many machines ship their logs.
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

/** JetStream's error code for a stream that already exists with other settings. */
const STREAM_NAME_IN_USE = 10_058;

/** Options of {@linkcode createFleetStream}. */
export interface FleetStreamOptions {
  /** Connection to the server. Its user needs the permission to create streams. */
  connection: FleetConnection;
  /**
   * Name of the stream: 1 to 64 letters, digits, "-" and "_".
   *
   * @default {"AUDIT"}
   */
  stream?: string;
  /**
   * Number of servers in a cluster that store the stream: 1, 3 or 5.
   *
   * @default {1}
   */
  replicas?: number;
  /**
   * Maximum size of the stream in bytes, an integer >= 1. If it is not set, only the limits of the server apply.
   *
   * @default {undefined}
   */
  maxBytes?: number;
  /**
   * Time in seconds after which the server deletes a block (a range of bytes of a log), a number > 0. The default is 30
   * days.
   *
   * @default {2_592_000}
   */
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
 * Creates the stream of a fleet. If the stream already exists with the same settings, does nothing.
 *
 * The server stores the stream in files. A full stream rejects new blocks (ranges of bytes of logs) and keeps the old
 * ones. Clients cannot delete blocks from the stream.
 *
 * Needs `--allow-net` for the connection, and a user of the server with the permission to create streams.
 *
 * @param options The connection and the settings of the stream.
 * @returns A promise that resolves when the stream exists.
 * @throws {TypeError} If an option is unknown or of the wrong type.
 * @throws {RangeError} If an option is out of its range or the name of the stream is invalid.
 * @throws {FleetServerError} If the server rejects the request, or the stream exists with other settings. The message
 *   then names the settings that differ.
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
    throw new FleetServerError(`create stream ${stream}`, errorOf(created.error));
  }
  const { error, ...info } = await askApi(connection, `STREAM.INFO.${stream}`, {
    timeoutMs: TIMEOUT_MS,
  });
  if (error !== undefined) throw new FleetServerError(`create stream ${stream}`, errorOf(error));
  const config = info["config"] as Readonly<Record<string, unknown>> | undefined;
  const differing = Object.entries(wanted)
    .filter(([name, value]) => JSON.stringify(config?.[name]) !== JSON.stringify(value))
    .map(([name, value]) => `${name} is ${JSON.stringify(config?.[name])}, not ${value}`);
  if (differing.length === 0) return;
  const description = `the stream already exists with other settings: ${differing.join(", ")}`;
  throw new FleetServerError(`create stream ${stream}`, {
    code: STREAM_NAME_IN_USE,
    description,
  });
}
