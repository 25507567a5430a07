import { assert, assertEquals } from "@std/assert";
import { RecentWindow } from "../../src/report/recent_window.ts";
import { SeededRandom } from "../seeded_random.ts";
import { QUARTER_MS } from "../../src/time.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

Deno.test("RecentWindow needs only the events in the quarters in which the last day and the last hour begin", () => {
  const random = new SeededRandom(8);
  const seen = new Set<string>();
  for (let n = 0; n < 2_000; n++) {
    const endMs = 100 * DAY_MS + random.below(90) * MINUTE_MS;
    const window = new RecentWindow(endMs);
    assertEquals(window.dayStartMs, endMs - DAY_MS);
    const start = Math.floor((endMs - DAY_MS) / QUARTER_MS) - random.below(5);
    const length = 1 + random.below(random.below(2) === 0 ? 110 : 8);
    const from = start + random.below(104);
    const quarters = Array.from({ length }, (_, place) => from + place)
      .filter(() => random.below(3) > 0);
    const { isSummed, range } = window.needsOf(quarters);
    const { since = Infinity, until = Infinity } = range ?? {};
    for (const quarter of quarters) {
      const [startMs, lastMs] = [quarter * QUARTER_MS, (quarter + 1) * QUARTER_MS - 1];
      const isRead = (ms: number) => ms >= since && ms < until;
      for (const ms of [startMs, lastMs, startMs + random.below(QUARTER_MS)]) {
        const isRecent = ms >= endMs - DAY_MS && ms < endMs;
        // Each moment of the last day is in a sum or is read, and not both.
        if (isRecent) assertEquals([isSummed(quarter), isRead(ms)].filter(Boolean).length, 1);
        else if (ms < endMs) assert(!isSummed(quarter) && !isRead(ms));
      }
      if (isSummed(quarter)) assert(lastMs < endMs - HOUR_MS, "a sum is not of the last hour");
    }
    seen.add(range === null ? "none" : range.until === undefined ? "end" : "start");
  }
  assertEquals([...seen].sort(), ["end", "none", "start"]);
});
