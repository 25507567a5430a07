/**
 * Tests in which charts are drawn.
 *
 * @module
 */

/**
 * A test without the sanitizers, which count timers: ECharts ends the loop of a chart that was disposed
 * of when it comes round, some 16 ms later, and its timer cannot be got at.
 */
export function testThatDraws(
  name: string,
  test: (t: Deno.TestContext) => Promise<void> | void,
): void {
  Deno.test({ name, sanitizeOps: false, sanitizeResources: false, fn: test });
}
