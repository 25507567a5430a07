import { assert, assertEquals } from "@std/assert";
import { type SessionFigures, SessionTally } from "../../src/report/session_tally.ts";
import { SeededRandom } from "../seeded_random.ts";

interface SessionEvent {
  readonly id: string;
  readonly usd: number;
  readonly epochMs: number;
}

function tallyOf(events: readonly SessionEvent[], sessionsMax?: number): SessionTally {
  const tally = new SessionTally(sessionsMax);
  for (const { id, usd, epochMs } of events) tally.add(id, usd, epochMs);
  return tally;
}

/**
 * Returns random events of sessions. A few sessions are expensive and occur often; the others are cheap. The costs are
 * multiples of 1/1024 USD, so sums have no rounding errors.
 */
function randomEvents(seed: number, sessions: number): SessionEvent[] {
  const random = new SeededRandom(seed);
  return Array.from({ length: 2_000 }, () => {
    const session = Math.floor(random.below(sessions) * (random.below(100) / 100));
    return {
      id: `session-${session}`,
      usd: random.below(4) === 0 ? 0 : random.below(10_000) / (session + 1 > 8 ? 1_024 : 8),
      epochMs: random.below(1e12),
    };
  });
}

function figuresOf(events: readonly SessionEvent[]): SessionFigures[] {
  return [...Map.groupBy(events, ({ id }) => id)].map(([id, some]) => ({
    id,
    usd: Math.sumPrecise(some.map(({ usd }) => usd)) + 0,
    missingUsdMax: 0,
    isPartial: false,
    events: some.length,
    firstMs: Math.min(...some.map(({ epochMs }) => epochMs)),
    lastMs: Math.max(...some.map(({ epochMs }) => epochMs)),
  })).filter(({ usd }) => usd > 0)
    .sort((a, b) => b.usd - a.usd || (a.id < b.id ? -1 : 1));
}

Deno.test("SessionTally returns exact figures as long as it has room for all sessions", () => {
  for (let seed = 1; seed <= 10; seed++) {
    const events = randomEvents(seed, 50);
    const expected = figuresOf(events);
    for (const tally of [tallyOf(events), tallyOf(events, 50)]) {
      assertEquals(tally.dearest(1_000), expected);
      assertEquals(tally.dearest(10), expected.slice(0, 10));
      assertEquals(tally.count, new Set(events.map(({ id }) => id)).size);
    }
  }
});

Deno.test("SessionTally sums up costs exactly in any order", () => {
  const events = [1e16, 1, 1, 1, 0.1, 0.2].map((usd) => ({ id: "s", usd, epochMs: 0 }));
  const usd = Math.sumPrecise(events.map(({ usd }) => usd));
  assertEquals(tallyOf(events).dearest(1)[0]?.usd, usd);
  assertEquals(tallyOf(events.toReversed()).dearest(1)[0]?.usd, usd);
});

Deno.test("SessionTally states the maximum missing cost of each session after it dropped sessions for lack of room", () => {
  let missing = 0;
  for (let seed = 1; seed <= 40; seed++) {
    const events = randomEvents(seed, 100);
    const trueUsd = new Map(figuresOf(events).map(({ id, usd }) => [id, usd]));
    for (const sessionsMax of [2, 3, 8, 40]) {
      const tally = tallyOf(events, sessionsMax);
      assertEquals(tally.count, null);
      const top = tally.dearest(1_000);
      assert(top.length > 0 && top.length <= sessionsMax);
      for (const { id, usd, missingUsdMax } of top) {
        const real = trueUsd.get(id)!;
        assert(usd <= real && real <= usd + missingUsdMax, `seed ${seed}: ${id} cost ${real}`);
        if (missingUsdMax === 0) assertEquals(usd, real);
        else missing++;
      }
    }
  }
  assert(missing > 100, `only ${missing} sessions may lack costs`);
});

Deno.test("SessionTally returns exact figures of expensive sessions among many cheap sessions", () => {
  const random = new SeededRandom(5);
  const events = Array.from({ length: 20_000 }, (_, n) => {
    const isExpensive = n < 5 || random.below(20) === 0;
    const id = isExpensive ? `top-${n < 5 ? n : random.below(5)}` : `cheap-${n}`;
    return { id, usd: isExpensive ? 1 + random.below(100) : 0.5, epochMs: n };
  });
  const tally = tallyOf(events, 12);
  assertEquals(tally.dearest(5), figuresOf(events).slice(0, 5));
  assertEquals(tally.count, null);
});

Deno.test("SessionTally returns the number of sessions, or null after it dropped a session for lack of room", () => {
  const events = Array.from({ length: 5 }, (_, n) => ({ id: `${n}`, usd: 1, epochMs: n }));
  assertEquals(tallyOf(events, 5).count, 5);
  assertEquals(tallyOf([...events, ...events], 5).count, 5);
  assertEquals(tallyOf(events, 4).count, null);
  assertEquals(tallyOf([]).count, 0);
});

Deno.test("SessionTally lists only sessions with a cost, and sorts equal costs by name", () => {
  const tally = tallyOf(["b", "a", "free", "c"].map((id) => ({
    id,
    usd: id === "free" ? 0 : 2,
    epochMs: 0,
  })));
  assertEquals(tally.dearest(10).map(({ id }) => id), ["a", "b", "c"]);
  assertEquals(tally.dearest(2).map(({ id }) => id), ["a", "b"]);
  assertEquals(tally.count, 4);
});

Deno.test("SessionTally returns null times for a session whose events have no times", () => {
  const tally = tallyOf([
    { id: "untimed", usd: 1, epochMs: NaN },
    { id: "both", usd: 2, epochMs: NaN },
    { id: "both", usd: 2, epochMs: 7 },
    { id: "both", usd: 2, epochMs: -3 },
  ]);
  assertEquals(tally.dearest(2), [
    { id: "both", usd: 6, missingUsdMax: 0, isPartial: false, events: 3, firstMs: -3, lastMs: 7 },
    {
      id: "untimed",
      usd: 1,
      missingUsdMax: 0,
      isPartial: false,
      events: 1,
      firstMs: null,
      lastMs: null,
    },
  ]);
});

Deno.test("SessionTally distinguishes two long IDs with the same start", () => {
  const beginning = "x".repeat(10_000);
  const ids = [`${beginning}1`, `${beginning}2`, `${beginning}1`];
  const top = tallyOf(ids.map((id, n) => ({ id, usd: 1, epochMs: n }))).dearest(10);
  assertEquals(top.map(({ usd, events }) => [usd, events]), [[2, 2], [1, 1]]);
  for (const { id } of top) assertEquals([id.length, id.slice(0, 100)], [200, "x".repeat(100)]);
});
