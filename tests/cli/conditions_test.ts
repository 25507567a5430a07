import { assertEquals, assertThrows } from "@std/assert";
import { parseCondition } from "../../src/cli/conditions.ts";
import type { AuditEvent } from "../../src/event.ts";

const EVENT: AuditEvent = {
  ts: "2026-02-13T14:30:00.000Z",
  event: "llm_call",
  model: "large",
  cost: 0.1,
  n: 9,
  text: "10",
  files: ["a.ts"],
  flag: true,
  none: null,
  config: { mode: "fast", depth: 3 },
  "a.b": 1,
  error: "Request timed out (429)",
};

const CONDITIONS: [condition: string, isMet: boolean][] = [
  ["model=large", true],
  ["model=small", false],
  ["model!=small", true],
  ["model!=large", false],
  ["missing=x", false],
  ["missing!=x", true],
  ["missing>0", false],
  ["missing~", false],
  ["cost=0.1", true],
  ["cost=0.10", true],
  ["cost=1e-1", true],
  ["cost>0.1", false],
  ["cost>=0.1", true],
  ["cost<=0.1", true],
  ["cost<0.2", true],
  // Both values are numbers, so they are compared as numbers. As texts, "10" would be less than "9".
  ["n<10", true],
  ["n>10", false],
  // A text is not a number, so the value and the limit are compared as texts.
  ["n > 8", true],
  [" model = large", true],
  ["ts>2026", true],
  ["ts<2026-02-14", true],
  ["text<9", true],
  ["text=10", true],
  ["text=10.0", false],
  ["n=09", false],
  ["ts>=2026-02-13", true],
  ["ts<2026-02-13T14", false],
  ['files=["a.ts"]', true],
  ["files~a[.]ts", true],
  ["flag=true", true],
  ["none=null", true],
  ["config.mode=fast", true],
  ["config.depth>2", true],
  ["config.depth.x=1", false],
  ["a.b=1", true],
  ["toString.name!=x", true],
  ["error~time.*429", true],
  ["error~^timed", false],
  ["model=", false],
  ["model!=", true],
  ["model>=a=b", true],
];
for (const [condition, isMet] of CONDITIONS) {
  Deno.test(`parseCondition() of ${condition} ${isMet ? "accepts" : "refuses"} the event`, () => {
    const { text, isMetBy } = parseCondition(condition);
    assertEquals([text, isMetBy(EVENT)], [condition, isMet]);
  });
}

const REFUSED: [text: string, message: string][] = [
  ["cost", "quote > and <: 'cost>0.5'"],
  ["=large", "not a condition; use FIELD=VALUE"],
  ["", "not a condition; use FIELD=VALUE"],
  ["model==large", "not a condition; use model=large"],
  ["error=~x", "not a condition; use error~x"],
  ["cost<>0.5", "not a condition; use cost!=0.5"],
  ["cost=>0.5", "not a condition; use cost>=0.5"],
  ["cost=< 0.5", "not a condition; use cost<=0.5"],
  ["cost>$0.005", 'because "$0.005" is not a number; use a number such as cost>0.5'],
  ["cost>0,005", 'because "0,005" is not a number'],
  ["cost>=.005", 'because ".005" is not a number'],
  ["duration_ms<10s", 'because "10s" is not a number'],
  ["cost<5%", 'because "5%" is not a number'],
  [" =x", "not a condition; use FIELD=VALUE"],
  ["error~(", "not a condition; Invalid regular expression"],
];
for (const [text, message] of REFUSED) {
  Deno.test(`parseCondition() rejects "${text}" and says what to write`, () => {
    assertThrows(() => parseCondition(text), RangeError, message);
  });
}
