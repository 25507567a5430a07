/**
 * Reads several logs for one report. Each event gets the field `scout_log` with the name of its log, as in a fleet.
 *
 * @module
 */
import { basename } from "../platform/path.ts";
import type { AuditReader } from "../audit_reader.ts";
import type { AuditEvent } from "../event.ts";
import type { AuditFollow } from "../read/follow.ts";
import type { AuditQuery } from "../read/query.ts";
import type { QueryOptions } from "../read/query_options.ts";
import { eventEpochMs } from "../time.ts";

/** A log of a report, and its name. */
export interface NamedLog {
  readonly name: string;
  readonly reader: AuditReader;
}

/** Returns the logs with their names: the names of their files, or their paths if two files have the same name. */
export function namedLogs(readers: readonly AuditReader[]): NamedLog[] {
  const names = readers.map(({ path }) => basename(path));
  const areUnique = new Set(names).size === names.length;
  return readers.map((reader, n) => ({ reader, name: areUnique ? names[n]! : reader.path }));
}

/** Returns an object with the method `query()` of a reader, whose events are those of one log after the other. */
export function severalLogs(logs: readonly NamedLog[]): Pick<AuditReader, "query"> {
  return { query: (options = {}) => eventsOfLogs(logs, options) };
}

function eventsOfLogs(logs: readonly NamedLog[], options: QueryOptions): AuditQuery {
  const queries = logs.map(({ reader, name }) => ({ query: reader.query(options), name }));
  async function* events() {
    for (const { query, name } of queries) {
      for await (const event of query) yield ofLog(event, name);
    }
  }
  return {
    [Symbol.asyncIterator]: events,
    toArray: () => Array.fromAsync(events()),
    toReadableStream: () => ReadableStream.from(events()),
    get damage() {
      return queries.flatMap(({ query }) => query.damage);
    },
  };
}

/** Resolves with the last `count` events of several logs that a query selects, the newest first. */
export async function lastOfLogs(
  logs: readonly NamedLog[],
  { count, ...options }: Omit<QueryOptions, "order" | "limit"> & { readonly count: number },
): Promise<AuditEvent[]> {
  const all: AuditEvent[][] = [];
  for (const { reader, name } of logs) {
    const events = await reader.query({ ...options, order: "desc", limit: count }).toArray();
    all.push(logs.length === 1 ? events : events.map((event) => ofLog(event, name)));
  }
  if (logs.length === 1) return all[0]!;
  const timeOf = ({ ts }: AuditEvent) => eventEpochMs(ts);
  return all.flat().filter((event) => !Number.isNaN(timeOf(event)))
    .sort((a, b) => timeOf(b) - timeOf(a))
    .slice(0, count);
}

/** Returns the events of a log that is followed, each with the name of the log. */
export function followOfLog(follow: AuditFollow, name: string): AuditFollow {
  return {
    async *[Symbol.asyncIterator]() {
      for await (const event of follow) yield ofLog(event, name);
    },
    get damage() {
      return follow.damage;
    },
  };
}

function ofLog(event: AuditEvent, name: string): AuditEvent {
  return { ...event, scout_log: name };
}
