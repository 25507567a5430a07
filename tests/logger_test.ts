import { assertEquals } from "@std/assert";
import { logger } from "@vivarium/scout";

Deno.test("logger tells of warnings and errors on standard error, with the library's name", () => {
  const told: unknown[][] = [];
  using stack = new DisposableStack();
  for (const method of ["warn", "error", "info", "debug"] as const) {
    const original = console[method];
    stack.defer(() => console[method] = original);
    console[method] = (...data: unknown[]) => void told.push([method, ...data]);
    logger[method]("something", 1);
  }
  assertEquals(told, [["warn", "scout:", "something", 1], ["error", "scout:", "something", 1]]);
});
