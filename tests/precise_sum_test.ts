import { assertEquals } from "@std/assert";
import { PreciseSum } from "../src/precise_sum.ts";
import { SeededRandom } from "./seeded_random.ts";

Deno.test("PreciseSum is exact however few terms it keeps", () => {
  const random = new SeededRandom(7);
  const terms = Array.from({ length: 1_000 }, () => random.below(1e9) / 7 ** random.below(20));
  for (const termsMax of [undefined, 8, 32]) {
    const [sum, whole] = [new PreciseSum(termsMax), new PreciseSum(termsMax)];
    for (const term of terms) sum.add(term);
    assertEquals(sum.value, Math.sumPrecise(terms));
    for (let n = 0; n < 50; n++) whole.addSum(sum);
    assertEquals(whole.value, Math.sumPrecise(Array(50).fill(terms).flat()));
  }
});
