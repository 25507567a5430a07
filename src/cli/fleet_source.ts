/**
 * The logs of a fleet for a live page.
 *
 * @module
 */
import type { AuditEvent } from "../event.ts";
import type { fleetEvents } from "../fleet/fleet_events.ts";
import type { FleetStatusOptions } from "../fleet/fleet_status.ts";
import { type LiveSource, rangeOf, type ReportSource } from "../report/live_source.ts";
import type { TimeSpan } from "../report/main_range.ts";
import type { ResolvedReportOptions } from "../report/options.ts";
import { readWithAxis, selectWithEnds } from "../report/render_report.ts";
import { followOptionsOf, type ReportFilter } from "../report/report_filter.ts";

/** The connection to a fleet, and the logs to read. */
export type FleetPlace = Pick<FleetStatusOptions, "connection" | "fleet" | "stream" | "log">;

/** The logs of a fleet. */
export class FleetSource implements LiveSource {
  readonly names: readonly string[];
  readonly #place: FleetPlace;
  readonly #query: typeof fleetEvents;

  /**
   * @param place The connection, and the fleet or one of its logs.
   * @param more.names The names of the logs in the fleet.
   * @param more.query The function that queries a fleet, which is loaded only for commands on a fleet.
   */
  constructor(
    place: FleetPlace,
    { names, query }: { readonly names: readonly string[]; readonly query: typeof fleetEvents },
  ) {
    this.#place = place;
    this.#query = query;
    this.names = place.log === undefined ? names : [];
  }

  shown({ log = this.#place.log }: ReportFilter): string {
    const { fleet } = this.#place;
    return log === undefined ? `fleet ${fleet}` : `${log} of the fleet ${fleet}`;
  }

  open(filter: ReportFilter, options: ResolvedReportOptions, signal: AbortSignal): ReportSource {
    const { since } = rangeOf(options);
    const select = followOptionsOf(filter)?.where ?? (() => true);
    const place = this.#placeOf(filter);
    return {
      hasLogs: place.log === undefined,
      budgets: () => Promise.resolve(null),
      follow: (aggregate, onCaughtUp) => {
        const isSelected = selectWithEnds(select, aggregate);
        let last: string | undefined;
        // The query calls this function with every event, and returns only the events for which it returns true.
        const where = (event: AuditEvent) => {
          if (last !== undefined && keyOf(event) === last) onCaughtUp();
          return isSelected(event);
        };
        const query = this.#query({
          ...place,
          ...since === undefined ? {} : { since },
          follow: true,
          signal,
          where,
        });
        const lastKey = this.#lastKey(place, { since, signal });
        return [{
          async *[Symbol.asyncIterator]() {
            last = await lastKey;
            if (last === undefined) onCaughtUp();
            yield* query;
          },
          get damage() {
            return query.damage;
          },
        }];
      },
    };
  }

  async findAxis(options: ResolvedReportOptions, signal: AbortSignal): Promise<TimeSpan> {
    const query = this.#query({ ...this.#place, ...rangeOf(options), signal });
    const hasLogs = this.#place.log === undefined;
    return (await readWithAxis(query, { signal }, { resolved: options, hasLogs })).axis;
  }

  async last(
    filter: ReportFilter,
    options: ResolvedReportOptions,
    { count, signal }: { readonly count: number; readonly signal: AbortSignal },
  ): Promise<AuditEvent[]> {
    const query = this.#query({
      ...this.#placeOf(filter),
      ...rangeOf(options),
      ...followOptionsOf(filter),
      last: count,
      signal,
    });
    return (await Array.fromAsync(query)).reverse();
  }

  /** Resolves with the key of the last event that is in the stream now; undefined without events. */
  async #lastKey(
    place: FleetPlace,
    { since, signal }: { readonly since: number | undefined; readonly signal: AbortSignal },
  ): Promise<string | undefined> {
    const range = since === undefined ? {} : { since };
    const [event] = await Array.fromAsync(this.#query({ ...place, ...range, last: 1, signal }));
    return event === undefined ? undefined : keyOf(event);
  }

  #placeOf({ log }: ReportFilter): FleetPlace {
    return log === undefined ? this.#place : { ...this.#place, log };
  }
}

/** Returns a text by which an event of a fleet is recognized. */
function keyOf({ scout_log, ts, event }: AuditEvent): string {
  return `${scout_log}\0${ts}\0${event}`;
}
