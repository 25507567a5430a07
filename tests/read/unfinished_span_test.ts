import { assertEquals } from "@std/assert";
import { spanBegunBy } from "../../src/read/unfinished_span.ts";

Deno.test("spanBegunBy() separates the fields that identify a span from all other fields", () => {
  const ts = "2026-02-13T14:30:22.123Z";
  const begin = { event: "a_begin", span: "1" };
  assertEquals(
    spanBegunBy({ ts, session_id: "s", ...begin, parent: "0", tool: "search", n: null }),
    {
      span: "1",
      parent: "0",
      event: "a",
      ts,
      session_id: "s",
      fields: { tool: "search", n: null },
    },
  );
  assertEquals(spanBegunBy({ ...begin, parent: 7 }), {
    span: "1",
    event: "a",
    fields: { parent: 7 },
  });
  assertEquals(spanBegunBy(begin), { span: "1", event: "a", fields: {} });
});
