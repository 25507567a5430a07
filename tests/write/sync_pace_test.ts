import { assertEquals } from "@std/assert";
import { SyncPace } from "../../src/write/sync_pace.ts";

function paceAfter(times: readonly number[]): SyncPace {
  const pace = new SyncPace();
  for (const elapsedMs of times) pace.took(elapsedMs, "thread");
  return pace;
}

Deno.test("SyncPace chooses a blocking sync instead of a sync on another thread after four consecutive quick syncs", () => {
  assertEquals(paceAfter([0.5, 0.5, 0.5]).placeFor(10), "thread");
  assertEquals(paceAfter([0.5, 0.5, 0.5, 0.5]).placeFor(10), "spot");
});

Deno.test("SyncPace chooses a blocking sync after 16 consecutive quick syncs if an earlier sync was slow", () => {
  assertEquals(paceAfter([5, ...Array(15).fill(0.5)]).placeFor(10), "thread");
  assertEquals(paceAfter([5, ...Array(16).fill(0.5)]).placeFor(10), "spot");
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

Deno.test("SyncPace counts a sync of less than 2 ms on another thread as quick, and chooses another thread for more than 256 lines", () => {
  const pace = paceAfter([1.9, 1.9, 1.9, 1.9]);
  assertEquals(pace.placeFor(256), "spot");
  assertEquals(pace.placeFor(257), "thread");
});
