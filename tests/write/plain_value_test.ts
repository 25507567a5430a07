import { assert, assertEquals } from "@std/assert";
import { plainValue } from "../../src/write/plain_value.ts";

const plain = (value: object) => plainValue(value, []);

Deno.test("plainValue() returns an object unchanged if its own properties are all of its content", () => {
  class Step {
    agent = "mapper";
  }
  for (const value of [{}, { a: 1 }, [], [1], Object.create(null), new Step(), new Date(0)]) {
    assert(plain(value) === value);
  }
  const boxed = [Object("text"), Object(1), Object(true), Object(1n)];
  for (const value of boxed) assert(plain(value) === value);
});

Deno.test("plainValue() turns a Map or Headers into an object, or a list if a key is not text or occurs twice", () => {
  const form = new FormData();
  form.append("a", "1");
  const cases: [object, unknown][] = [
    [new Map([["a", 1], ["__proto__", 2]]), JSON.parse('{"a":1,"__proto__":2}')],
    [new Map<unknown, unknown>([[1, "a"], [{ b: 1 }, "c"]]), [[1, "a"], [{ b: 1 }, "c"]]],
    [new Map(), {}],
    [new Headers({ "x-a": "1", accept: "*/*" }), { accept: "*/*", "x-a": "1" }],
    [new Headers([["set-cookie", "a"], ["set-cookie", "b"]]), [["set-cookie", "a"], [
      "set-cookie",
      "b",
    ]]],
    [new URLSearchParams("a=1&b=2"), { a: "1", b: "2" }],
    [new URLSearchParams("a=1&a=2"), [["a", "1"], ["a", "2"]]],
    [form, { a: "1" }],
    [new Set([1, "a"]), [1, "a"]],
  ];
  for (const [value, expected] of cases) assertEquals(plain(value), expected);
});

Deno.test("plainValue() turns bytes into base64", () => {
  const bytes = Uint8Array.of(1, 2, 255);
  const shared = new SharedArrayBuffer(2);
  assertEquals(plain(bytes), { base64: "AQL/" });
  assertEquals(plain(bytes.subarray(1)), { base64: "Av8=" });
  assertEquals(plain(bytes.buffer), { base64: "AQL/" });
  assertEquals(plain(new DataView(bytes.buffer, 2)), { base64: "/w==" });
  assertEquals(plain(new Uint16Array([1])), { base64: "AQA=" });
  assertEquals(plain(shared), { base64: "AAA=" });
  assertEquals(plain(new Uint8Array(shared)), { base64: "AAA=" });
});

Deno.test("plainValue() turns other built-in objects into text", () => {
  assertEquals(plain(/a+/gi), "/a+/gi");
  assertEquals(plain(new URL("https://example.com/a?b")), "https://example.com/a?b");
  assertEquals(plain(new Blob(["x"])), "[Blob]");
  assertEquals(plain(Promise.resolve()), "[Promise]");
  assertEquals(plain(new WeakMap()), "[WeakMap]");
  assertEquals(plain(new (class Empty {})()), "[Empty]");
  assertEquals(plain(new (class {})()), "[object]");
});

Deno.test("plainValue() keeps the name, message, stack, cause and own properties of an Error", () => {
  const cause = new TypeError("why");
  const error = Object.assign(new Error("what", { cause }), { status: 429, name: "ApiError" });
  const { stack, ...rest } = plain(error) as Record<string, unknown>;
  assertEquals(rest, { name: "ApiError", message: "what", cause, status: 429 });
  assert(typeof stack === "string" && stack.includes("what"));
  const aggregate = plain(new AggregateError([cause], "all")) as Record<string, unknown>;
  assertEquals([aggregate.name, aggregate.errors], ["AggregateError", [cause]]);
  const suppressed = plain(new SuppressedError("a", "b", "c")) as Record<string, unknown>;
  assertEquals([suppressed.error, suppressed.suppressed], ["a", "b"]);
  const eight = Array.from({ length: 8 }, () => new Error());
  assertEquals(plainValue(error, eight.slice(1)) instanceof Object, true);
  assertEquals(plainValue(error, eight), "ApiError: what");
});
