import { assertEquals, assertRejects } from "@std/assert";
import { Flattened } from "../../src/read/flattened.ts";

/**
 * Creates an iterator over the letters of all batches, and a list of what its generators do: "(" and ")" for the start
 * and end of a batch, each letter, and "end". A "!" in a batch throws an error.
 */
function setUp(...batches: string[]) {
  const seen: string[] = [];
  function* letters(batch: string): Generator<string, void> {
    for (const letter of batch) {
      if (letter === "!") throw new Error("bad letter");
      seen.push(letter);
      yield letter;
    }
  }
  async function* generate(): AsyncGenerator<Iterator<string, void>, void> {
    try {
      for (const batch of batches) {
        seen.push("(");
        await Promise.resolve();
        yield letters(batch);
        seen.push(")");
      }
    } finally {
      seen.push("end");
    }
  }
  return { seen, flattened: new Flattened(generate()) };
}

Deno.test("Flattened yields every item and skips empty batches", async () => {
  const { seen, flattened } = setUp("ab", "", "c", "");
  assertEquals(await Array.fromAsync(flattened), ["a", "b", "c"]);
  assertEquals(seen.join(""), "(ab)()(c)()end");
  assertEquals(await flattened.next(), { value: undefined, done: true });
});

Deno.test("Flattened requests an item only when next() is called", async () => {
  const { seen, flattened } = setUp("ab");
  assertEquals(seen, []);
  await flattened.next();
  assertEquals(seen.join(""), "(a");
});

Deno.test("Flattened yields items in order if next() is called several times at once", async () => {
  const { flattened } = setUp("ab", "c", "de");
  const first = flattened.next();
  const rest = Array.from({ length: 6 }, () => flattened.next());
  const results = await Promise.all([first, ...rest]);
  assertEquals(results.map(({ value }) => value ?? "-").join(""), "abcde--");
  assertEquals(results.map(({ done }) => done), [false, false, false, false, false, true, true]);
});

Deno.test("Flattened ends the generator of the batches if the loop breaks", async () => {
  const { seen, flattened } = setUp("abc", "d");
  for await (const letter of flattened) if (letter === "b") break;
  assertEquals(seen.join(""), "(abend");
  assertEquals(await flattened.next(), { value: undefined, done: true });
});

Deno.test("Flattened first resolves the calls of next() that came before return(), and then ends", async () => {
  const { seen, flattened } = setUp("a", "b");
  const [first, second, end, after] = [
    flattened.next(),
    flattened.next(),
    flattened.return(),
    flattened.next(),
  ];
  assertEquals([(await first).value, (await second).value], ["a", "b"]);
  assertEquals(await end, { value: undefined, done: true });
  assertEquals(await after, { value: undefined, done: true });
  assertEquals(seen.join(""), "(a)(bend");
});

Deno.test("Flattened yields no items after return(), even if the current batch has more items", async () => {
  const { flattened } = setUp("abc");
  await flattened.next();
  const [, after] = await Promise.all([flattened.return(), flattened.next()]);
  assertEquals(after, { value: undefined, done: true });
});

Deno.test("Flattened rejects with the error that a batch throws, and ends the generator of the batches", async () => {
  for (const batches of [["a!", "b"], ["a", "!b"]]) {
    const { seen, flattened } = setUp(...batches);
    assertEquals((await flattened.next()).value, "a");
    await assertRejects(() => flattened.next(), Error, "bad letter");
    assertEquals(seen.at(-1), "end");
    assertEquals(await flattened.next(), { value: undefined, done: true });
  }
});

Deno.test("Flattened rejects with the error that the generator of the batches throws", async () => {
  async function* generate(): AsyncGenerator<Iterator<string, void>, void> {
    yield "a"[Symbol.iterator]();
    await Promise.reject(new Error("no more"));
  }
  const flattened = new Flattened(generate());
  assertEquals((await flattened.next()).value, "a");
  await assertRejects(() => flattened.next(), Error, "no more");
  assertEquals(await flattened.next(), { value: undefined, done: true });
});
