import { assert, assertEquals } from "@std/assert";
import { EVENT_TYPES, shown } from "../src/event.ts";

Deno.test("EVENT_TYPES is frozen and contains each type once", () => {
  assert(Object.isFrozen(EVENT_TYPES));
  assertEquals(EVENT_TYPES, [
    "nav",
    "brief",
    "cascade",
    "validation_fail",
    "budget",
    "skip",
    "trigger",
    "tldr",
    "tldr_auto_generated",
    "deep",
    "doc_sync",
    "commit_draft",
    "pr_snippet",
    "impact_analysis",
    "module_brief",
    "pr_synthesis",
    "roast_with_docs",
    "gate_compress",
    "gate_escalate",
  ]);
});

Deno.test("shown() shortens a long string, and does not run code of the value", () => {
  assertEquals(shown("x".repeat(101)), `"${"x".repeat(100)}..."`);
  assertEquals(shown("a\nb"), '"a\\nb"');
  const trap = {
    toString: () => {
      throw new Error("ran");
    },
  };
  assertEquals(shown(trap), "an object");
});
