import { assert, assertEquals } from "@std/assert";
import { Acknowledgements } from "../../src/write/acknowledgements.ts";

/** Accepts a line, and returns the promise that the caller of `log()` would receive. */
function accepted(acknowledgements: Acknowledgements): Promise<void> {
  const caller = Promise.withResolvers<void>();
  acknowledgements.accept(caller);
  return caller.promise;
}

/** Accepts a line for each name, and returns a list of the names that grows as their promises settle. */
function accept(acknowledgements: Acknowledgements, names: string): string[] {
  const settled: string[] = [];
  for (const name of names) {
    accepted(acknowledgements).then(
      () => settled.push(name),
      (error) => settled.push(`${name}: ${error.message}`),
    );
  }
  return settled;
}

/** Resolves after the event loop has turned. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

Deno.test("Acknowledgements resolves the promises of written lines in order, when the lines are acknowledged", async () => {
  const acknowledgements = new Acknowledgements(() => {});
  const settled = accept(acknowledgements, "abcd");
  acknowledgements.written(3);
  await turn();
  assertEquals(settled, []);
  acknowledgements.acknowledged(2);
  await turn();
  assertEquals(settled, ["a", "b"]);
  acknowledgements.acknowledged(2);
  acknowledgements.written(1);
  acknowledgements.acknowledged(4);
  await turn();
  assertEquals(settled, ["a", "b", "c", "d"]);
});

Deno.test("Acknowledgements rejects refused lines at once, while earlier lines still wait for a sync", async () => {
  const watched: Promise<unknown>[] = [];
  const acknowledgements = new Acknowledgements((promise) => watched.push(promise));
  const settled = accept(acknowledgements, "abcde");
  acknowledgements.written(2);
  acknowledgements.acknowledged(1);
  acknowledgements.refused(2, new Error("full"));
  acknowledgements.written(1);
  await turn();
  assertEquals(settled, ["a", "c: full", "d: full"]);
  // Refused lines do not count as written lines, so the written lines are a, b and e.
  acknowledgements.acknowledged(2);
  await turn();
  assertEquals(settled.slice(3), ["b"]);
  acknowledgements.acknowledged(3);
  await turn();
  assertEquals(settled.slice(4), ["e"]);
  assertEquals(watched.length, 2);
});

Deno.test("Acknowledgements passes the promise of a refused line to onReject before the promise rejects", async () => {
  const log: string[] = [];
  const acknowledgements = new Acknowledgements((promise) => {
    log.push("watched");
    promise.catch(() => log.push("rejected"));
  });
  accepted(acknowledgements);
  acknowledgements.refused(1, new Error("full"));
  await turn();
  assertEquals(log, ["watched", "rejected"]);
});

Deno.test("Acknowledgements.syncFailed() rejects the written lines that are not acknowledged", async () => {
  const acknowledgements = new Acknowledgements(() => {});
  const settled = accept(acknowledgements, "abcd");
  acknowledgements.written(3);
  acknowledgements.acknowledged(1);
  acknowledgements.syncFailed(new Error("EIO"));
  await turn();
  assertEquals(settled, ["a", "b: EIO", "c: EIO"]);
  acknowledgements.refused(1, new Error("later"));
  await turn();
  assertEquals(settled.at(-1), "d: later");
});

Deno.test("Acknowledgements.decided() waits until the lines accepted so far are written or refused", async () => {
  const acknowledgements = new Acknowledgements(() => {});
  const log: string[] = [];
  await acknowledgements.decided();
  accept(acknowledgements, "ab");
  acknowledgements.decided().then(() => log.push("two"));
  accept(acknowledgements, "c");
  acknowledgements.decided().then(() => log.push("three"));
  acknowledgements.decided().then(() => log.push("three again"));
  acknowledgements.written(1);
  await turn();
  assertEquals(log, []);
  acknowledgements.refused(1, new Error("full"));
  await turn();
  assertEquals(log, ["two"]);
  acknowledgements.written(1);
  await turn();
  assertEquals(log, ["two", "three", "three again"]);
  await acknowledgements.decided();
});

Deno.test("Acknowledgements.decided() resolves if one batch contains lines accepted before and after the call", async () => {
  const acknowledgements = new Acknowledgements(() => {});
  accept(acknowledgements, "a");
  const first = acknowledgements.decided();
  accept(acknowledgements, "bc");
  const all = acknowledgements.decided();
  acknowledgements.written(3);
  await Promise.all([first, all]);
  assert(true);
});
