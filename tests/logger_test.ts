import { assertEquals } from "@std/assert";
import { logger } from "@vivarium/scout";

Deno.test("logger prints warnings and errors to standard error, prefixed with the library's name", () => {
  const printed: unknown[][] = [];
  using stack = new DisposableStack();
  for (const method of ["warn", "error", "info", "debug"] as const) {
    const original = console[method];
    stack.defer(() => console[method] = original);
    console[method] = (...data: unknown[]) => void printed.push([method, ...data]);
    logger[method]("something", 1);
  }
  assertEquals(printed, [["warn", "scout:", "something", 1], ["error", "scout:", "something", 1]]);
});
