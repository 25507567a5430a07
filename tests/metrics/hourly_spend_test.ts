import { assertEquals, assertRejects } from "@std/assert";
import { type AuditEvent, hourlySpend } from "@vivarium/scout";

const NOW = Date.UTC(2026, 1, 13, 14, 30);
const now = () => NOW;
const at = (ms: number, cost: number): AuditEvent => ({ ts: new Date(ms).toISOString(), cost });

function spendOf(events: AuditEvent[], hours?: number): Promise<number> {
  return hourlySpend(ReadableStream.from(events), hours === undefined ? { now } : { now, hours });
}

Deno.test("hourlySpend() sums exactly the last hours, both ends included, without later events", async () => {
  const events = [
    at(NOW - 3_600_001, 1),
    at(NOW - 3_600_000, 2),
    at(NOW - 1, 4),
    at(NOW, 8),
    at(NOW + 1, 16),
  ];
  assertEquals(await spendOf(events), 14);
  assertEquals(await spendOf(events, 2), 15);
  assertEquals(await spendOf(events, 0.5), 12);
  assertEquals(await spendOf(events, Infinity), 15);
});

Deno.test("hourlySpend() returns 0 for zero or fewer hours", async () => {
  assertEquals(await spendOf([at(NOW, 1)], 0), 0);
  assertEquals(await spendOf([at(NOW, 1)], -1), 0);
});

Deno.test("hourlySpend() rejects NaN as hours", async () => {
  await assertRejects(() => spendOf([], NaN), RangeError, "hours must be a number, got NaN");
});

Deno.test("hourlySpend() compensates rounding errors and ignores invalid costs", async () => {
  const events: AuditEvent[] = [at(NOW, 1e16), ...Array.from({ length: 1_000 }, () => at(NOW, 1))];
  assertEquals(await spendOf(events), 1e16 + 1_000);
  const odd = [{ ...at(NOW, 0), cost: null }, { cost: 5 }, { ts: "?", cost: 5 }, at(NOW, 0.1)];
  assertEquals(await spendOf([...odd, at(NOW, 0.2)]), 0.1 + 0.2);
});

Deno.test("hourlySpend() returns Infinity if the sum exceeds the largest number", async () => {
  assertEquals(await spendOf([at(NOW, 1e308), at(NOW, 1e308), at(NOW, 1)]), Infinity);
});

Deno.test("hourlySpend() reads a time without an offset as UTC", async () => {
  assertEquals(await spendOf([{ ts: "2026-02-13T14:00:00.123456", cost: 3 }]), 3);
});
