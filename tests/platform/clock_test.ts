import { assert, assertEquals } from "@std/assert";
import { systemClock } from "../../src/platform/clock.ts";

Deno.test("A timer and a file operation end while a program waits for turns of the event loop", async () => {
  const ended = new Set<string>();
  setTimeout(() => ended.add("timer"), 1);
  const read = Deno.readTextFile(new URL(import.meta.url)).then(() => ended.add("file"));
  let turns = 0;
  for (; ended.size < 2 && turns < 1_000_000; turns++) await systemClock.turn();
  assertEquals(ended, new Set(["timer", "file"]), `after ${turns} turns`);
  await read;
  assert(turns > 0);
});
