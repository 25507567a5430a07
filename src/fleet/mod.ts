/**
 * A fleet: the logs of many machines. Each machine ships (copies) its log into one stream of NATS JetStream, and
 * readers read the stream as one log.
 *
 * - {@linkcode createFleetStream} creates the stream.
 * - {@linkcode ship} copies a log into the stream, each byte exactly once.
 * - {@linkcode fleetEvents} queries the events of all logs.
 * - {@linkcode fleetSpend} keeps the sum of the costs of all logs up to date.
 * - {@linkcode fleetStatus} reports how far each log is shipped, how far it lags behind, and which of its bytes are
 *   missing.
 *
 * All of these functions use a connection to a NATS server that the caller opens and closes.
 *
 * @example
 * ```ts ignore
 * import { connect } from "@nats-io/transport-node";
 * import { createFleetStream, fleetEvents, ship } from "@vivarium/scout/fleet";
 *
 * const connection = await connect({ servers: "127.0.0.1:4222" });
 * await createFleetStream({ connection });
 * await ship({ connection, fleet: "mine", log: "machine-1", path: "logs/audit.jsonl", once: true });
 * for await (const { scout_log, event } of fleetEvents({ connection, fleet: "mine" })) {
 *   console.log(scout_log, event);
 * }
 * ```
 *
 * @module
 */
export type { AuditEvent } from "../event.ts";
export type { Logger } from "../logger.ts";
export type { Damage } from "../read/damage.ts";
export type { QueryOptions } from "../read/query_options.ts";
export type { TimeLike } from "../time.ts";
export type {
  FleetConnection,
  FleetFollowConnection,
  FleetHeaders,
  FleetMessage,
  FleetRequestManyOptions,
  FleetRequestOptions,
} from "./connection.ts";
export {
  type FleetEvent,
  fleetEvents,
  type FleetQuery,
  type FleetQueryOptions,
} from "./fleet_events.ts";
export { type FleetSpend, fleetSpend, type FleetSpendOptions } from "./fleet_spend.ts";
export { type FleetLogStatus, fleetStatus, type FleetStatusOptions } from "./fleet_status.ts";
export type { FleetGap } from "./log_progress.ts";
export { createFleetStream, type FleetStreamOptions } from "./create_stream.ts";
export { FleetServerError, FleetTimeoutError } from "./fleet_stream.ts";
export { ship } from "./ship.ts";
export {
  FleetConflictError,
  FleetMismatchError,
  type ShipGap,
  type ShipOptions,
  type ShipReport,
} from "./ship_options.ts";
