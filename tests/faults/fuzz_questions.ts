/**
 * Generates arbitrary queries to a reader, and checks the results against the log's events.
 *
 * @module
 */
import fc from "fast-check";
import type { AuditReader } from "../../src/audit_reader.ts";
import type { AuditEvent } from "../../src/event.ts";
import type { QueryOptions } from "../../src/read/query_options.ts";
import { Reference } from "../read/reference.ts";
import { checkSame, checkSome } from "./fuzz_oracle.ts";
import { Violation } from "./harness.ts";

/** The parameters of the queries, which are drawn at random. */
export interface Questions {
  readonly options: Pick<QueryOptions, "since" | "until" | "eventType" | "limit">;
  readonly order: "asc" | "desc";
  readonly n: number;
  readonly hours: number;
  readonly since: number;
}

/** The methods of a reader that are checked. */
export type Answers = Pick<
  AuditReader,
  "query" | "lastEvents" | "hourlySpend" | "accuracyMetrics" | "gateMetrics" | "unfinished"
>;

/** The clock of every fuzzed log. */
export const NOW_MS = Date.UTC(2026, 1, 13, 15);

const TIMES = [
  ...[Date.UTC(2026, 1, 13, 14, 30, 22, 123), Date.UTC(2026, 1, 13, 14, 30, 22, 124), NOW_MS],
  ...[0, 8.64e15, -8.64e15, Date.UTC(2026, 1, 13, 12), Date.UTC(2026, 1, 14)],
];
const TYPES = ["nav", "brief", "validation_fail", "gate_compress", "absent", "", "__proto__"];

const time = fc.constantFrom(...TIMES);

/** Generates query parameters. */
export const questions: fc.Arbitrary<Questions> = fc.record({
  options: fc.record({
    since: time,
    until: time,
    eventType: fc.oneof(fc.constantFrom(...TYPES), fc.subarray(TYPES)),
    limit: fc.nat(6),
  }, { requiredKeys: [] }),
  order: fc.constantFrom("asc", "desc"),
  n: fc.nat(8),
  hours: fc.constantFrom(0, 0.5, 1, 24, 24 * 365 * 100, Infinity),
  since: time,
});

/** The facts about a log that are known before it is queried. */
export interface Known {
  /** Every event of the log, in the order of appending. */
  readonly events: readonly AuditEvent[];
  /** Is true if all files are intact and the manifest is true. Then the exact results of the queries are known. */
  readonly isCertain: boolean;
  /**
   * Maximum number of events that fit into the files. A reader that counts more of them one by one could take forever.
   */
  readonly eventsMax: number;
}

/** Runs every query and checks its result. */
export async function checkAnswers(
  reader: Answers,
  { options, order, n, hours, since }: Questions,
  known: Known,
): Promise<void> {
  const { events, isCertain } = known;
  const reference = referenceOf(events);
  const answer = await reader.query({ ...options, order }).toArray();
  const what = `query(${Deno.inspect({ ...options, order })})`;
  if (isCertain) checkSame(answer, reference.query({ ...options, order }), what);
  else checkSome(answer, reference.query({ ...options, order, limit: Infinity }), what);
  checkSame(await reader.lastEvents(n), reference.lastEvents(n), `lastEvents(${n})`);
  checkSpend(await reader.hourlySpend(hours), isCertain ? reference.spend(hours, NOW_MS) : null);
  const unfinished = await Array.fromAsync(reader.unfinished());
  if (isCertain) checkSame(unfinished, reference.unfinished(), "unfinished()");
  const accuracy = await reader.accuracyMetrics(since);
  const gate = await reader.gateMetrics({ since, lastN: n });
  if (isCertain) {
    checkSame([accuracy], [reference.accuracy(since)], `accuracyMetrics(${since})`);
    checkSame([gate], [reference.gate({ since, lastN: n })], `gateMetrics(${since})`);
  }
  const counted = Math.max(accuracy.totalNav, accuracy.validationFailCount, gate.total);
  if (counted > known.eventsMax) {
    const limit = `the files have room for only ${known.eventsMax}`;
    throw new Violation("hung", `${counted} events were counted one by one, but ${limit}`);
  }
}

function referenceOf(events: readonly AuditEvent[]): Reference {
  const reference = new Reference([], 0);
  return Object.assign(reference, { events });
}

function checkSpend(usd: number, expected: { usd: number; magnitude: number } | null): void {
  if (Number.isNaN(usd)) throw new Violation("other", "hourlySpend() is NaN");
  if (expected === null || usd === expected.usd) return;
  if (Math.abs(usd - expected.usd) <= 1e-12 * expected.magnitude) return;
  throw new Violation("other", `hourlySpend() is ${usd}, expected ${expected.usd}`);
}
