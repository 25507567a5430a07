import { assertEquals } from "@std/assert";
import {
  FailureReasons,
  OTHER_REASONS,
  reasonOf,
  withoutNumbers,
} from "../../src/rollup/failure_reasons.ts";

const REASONS: [text: string, normalized: string][] = [
  ["timeout after 30000 ms", "timeout after <n> ms"],
  ["timeout after 1,500.25 s at 12:30:01", "timeout after <n> s at <n>"],
  ["src/module_7.ts does not exist", "src/module_<n>.ts does not exist"],
  ["request req_011CVabc99xyz failed", "request req_<id> failed"],
  ["call_8f3kQ2zT not found", "call_<id> not found"],
  ["no session 3f9c01d2-1111-2222-3333-444455556666", "no session <id>"],
  ["HTTP 429: Too Many Requests, retry in 20 s", "HTTP 429: Too Many Requests, retry in <n> s"],
  ["429 Too Many Requests", "429 Too Many Requests"],
  ["status code: 503", "status code: 503"],
  ["error 7 in line 500", "error <n> in line <n>"],
  ["500.25 ms", "<n> ms"],
  ["HTTP 4290", "HTTP <n>"],
  ["\ue001 stays", "\ue001 stays"],
  ["", ""],
];
for (const [text, normalized] of REASONS) {
  Deno.test(`withoutNumbers() turns ${JSON.stringify(text)} into ${JSON.stringify(normalized)}`, () => {
    assertEquals(withoutNumbers(text), normalized);
  });
}

const EVENTS: [fields: Record<string, unknown>, reason: string][] = [
  [{ error: "no file", reason: "other" }, "no file"],
  [{ error: null, reason: "stale\n  cache" }, "stale cache"],
  [
    { error: { name: "TypeError", message: "x is undefined", stack: "..." } },
    "TypeError: x is undefined",
  ],
  [{ error: { name: "Error", message: "x" } }, "x"],
  [{ error: { code: 7 } }, '{"code":7}'],
  [{ error: 404 }, "404"],
  [{ reason: "   " }, "(no reason)"],
  [{}, "(no reason)"],
  [{ error: "x".repeat(10_000) }, "x".repeat(500)],
];
for (const [fields, reason] of EVENTS) {
  Deno.test(`reasonOf() returns the reason ${JSON.stringify(reason).slice(0, 60)} for ${JSON.stringify(fields).slice(0, 60)}`, () => {
    assertEquals(reasonOf({ event: "llm_call", ...fields }), reason);
  });
}

Deno.test("FailureReasons lists the most frequent reason first, and for each reason its first failure as an example", () => {
  const reasons = new FailureReasons();
  const add = (ts: string, error: string) =>
    reasons.add({ ts, event: "tool_call", agent: "a", session_id: "s1", error }, Date.parse(ts));
  add("2026-02-13T14:00:00.000Z", "timeout after 3 s");
  add("2026-02-13T14:01:00.000Z", "no file");
  add("2026-02-13T14:02:00.000Z", "timeout after 5 s");
  reasons.add({ ts: 7 as never, error: "a" }, NaN);
  const example = (ts: string, text: string) => ({
    text,
    ts,
    event: "tool_call",
    agent: "a",
    session_id: "s1",
  });
  assertEquals(reasons.list(), [
    {
      reason: "timeout after <n> s",
      count: 2,
      firstMs: Date.UTC(2026, 1, 13, 14, 0),
      lastMs: Date.UTC(2026, 1, 13, 14, 2),
      example: example("2026-02-13T14:00:00.000Z", "timeout after 3 s"),
    },
    {
      reason: "a",
      count: 1,
      firstMs: null,
      lastMs: null,
      example: { text: "a", ts: null, event: null, agent: null, session_id: null },
    },
    {
      reason: "no file",
      count: 1,
      firstMs: Date.UTC(2026, 1, 13, 14, 1),
      lastMs: Date.UTC(2026, 1, 13, 14, 1),
      example: example("2026-02-13T14:01:00.000Z", "no file"),
    },
  ]);
});

Deno.test("FailureReasons combines all reasons after the first 1,000 into one", () => {
  const reasons = new FailureReasons();
  const letters = (n: number) => n.toString(26).replaceAll(/\d/g, (digit) => "QRSTUVWXYZ"[+digit]!);
  for (let n = 0; n < 1_500; n++) reasons.add({ error: letters(n) }, NaN);
  const list = reasons.list();
  assertEquals([list.length, list[0]?.reason, list[0]?.count], [1_001, OTHER_REASONS, 500]);
});

Deno.test("FailureReasons.addAll() yields the same list as adding each failure, and accepts more than 1,000 reasons", () => {
  const word = (n: number) => n.toString(26).replaceAll(/\d/g, (digit) => "QRSTUVWXYZ"[+digit]!);
  for (
    const parts of [[["zz"], [...Array(1_000).keys()].map(word).concat("zz")], [[..."abc"], [
      ..."cab",
    ]]]
  ) {
    const [whole, merged] = [new FailureReasons(), new FailureReasons()];
    for (const part of parts) {
      const one = new FailureReasons();
      for (const [n, error] of part.entries()) {
        // Some failures have no time, and the times are not in order.
        const ms = n % 3 === 0 ? NaN : 1_000 * (n % 7);
        whole.add({ error }, ms);
        one.add({ error }, ms);
      }
      assertEquals(one.isCut, part.length > 1_000);
      merged.addAll(one.inOrder());
    }
    if (parts[1]!.length <= 1_000) assertEquals(merged.list(), whole.list());
  }
});

Deno.test('FailureReasons.isCut is also true if a failure has the reason "(other reasons)", which stands for all further reasons', () => {
  const word = (n: number) => n.toString(26).replaceAll(/\d/g, (digit) => "QRSTUVWXYZ"[+digit]!);
  const reasons = new FailureReasons();
  reasons.add({ error: OTHER_REASONS }, NaN);
  for (let n = 0; n < 999; n++) reasons.add({ error: word(n) }, NaN);
  assertEquals(reasons.isCut, false);
  reasons.add({ error: "one more" }, NaN);
  assertEquals([reasons.isCut, reasons.list()[0]?.count], [true, 2]);
});
