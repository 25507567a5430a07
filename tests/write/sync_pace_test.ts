import { assertEquals } from "@std/assert";
import { SyncPace, type SyncPlace } from "../../src/write/sync_pace.ts";

function paceAfter(times: readonly number[]): SyncPace {
  const pace = new SyncPace();
  for (const elapsedMs of times) pace.took(elapsedMs, "thread");
  return pace;
}

/** Returns how many syncs on another thread, each of `threadMs`, precede the next sync that blocks the thread. */
function trialsBeforeSpot(pace: SyncPace, threadMs: number): number {
  for (let trials = 0; trials < 1_000; trials++) {
    if (pace.placeFor(10) === "spot") return trials;
    pace.took(threadMs, "thread");
  }
  return Infinity;
}

Deno.test("SyncPace chooses a blocking sync instead of a sync on another thread after four quick syncs", () => {
  assertEquals(paceAfter([0.5, 0.5, 0.5]).placeFor(10), "thread");
  assertEquals(paceAfter([0.5, 0.5, 0.5, 0.5]).placeFor(10), "spot");
  assertEquals(paceAfter([0.5, 9, 0.5, 0.5, 9, 0.5]).placeFor(10), "spot");
});

Deno.test("SyncPace never chooses a blocking sync on a slow disk", () => {
  assertEquals(paceAfter(Array(1_000).fill(10)).placeFor(1), "thread");
});

Deno.test("SyncPace returns to syncs on another thread after a sync that blocked for a millisecond", () => {
  const pace = paceAfter([0.5, 0.5, 0.5, 0.5]);
  pace.took(0.9, "spot");
  assertEquals(pace.placeFor(10), "spot");
  pace.took(1, "spot");
  assertEquals(pace.placeFor(10), "thread");
});

Deno.test("SyncPace demands twice as many quick syncs after each slow sync, up to 64, and half as many after four quick ones", () => {
  const pace = new SyncPace();
  const demanded = Array.from({ length: 7 }, () => {
    const trials = trialsBeforeSpot(pace, 0.5);
    pace.took(5, "spot");
    return trials;
  });
  assertEquals(demanded, [4, 4, 8, 16, 32, 64, 64]);
  trialsBeforeSpot(pace, 0.5);
  for (let sync = 0; sync < 8; sync++) pace.took(0.5, "spot");
  pace.took(5, "spot");
  assertEquals(trialsBeforeSpot(pace, 0.5), 16);
});

Deno.test("SyncPace blocks the thread for few syncs of a disk whose syncs are slow by turns", () => {
  const pace = new SyncPace();
  const places: SyncPlace[] = [];
  for (let sync = 0; sync < 1_000; sync++) {
    const place = pace.placeFor(10);
    places.push(place);
    // Every second sync takes 8 ms.
    pace.took(sync % 2 === 0 ? 8 : 0.5, place);
  }
  const spots = places.filter((place) => place === "spot").length;
  assertEquals(spots > 0 && spots < 30, true, `${spots} of 1,000 syncs`);
});

Deno.test("SyncPace counts a sync of less than 2 ms on another thread as quick, and chooses another thread for more than 256 lines", () => {
  const pace = paceAfter([2, 1.9, 1.9, 1.9]);
  assertEquals(pace.placeFor(256), "thread");
  pace.took(1.9, "thread");
  assertEquals(pace.placeFor(256), "spot");
  assertEquals(pace.placeFor(257), "thread");
});
