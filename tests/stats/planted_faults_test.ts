/**
 * The tests of statistics and rollups find faults that are planted in a copy of the source.
 *
 * @module
 */
import { type Fault, testPlantedFaults } from "../mutant.ts";

const ANSWERS = ["tests/stats/rollup_answers_test.ts"];
const FIGURES = ["tests/stats/stats_test.ts"];
const SKETCH = ["tests/rollup/quantile_sketch_test.ts"];
const FILES = ["tests/segments/archive_test.ts", "tests/segments/recover_test.ts"];

const FAULTS: readonly Fault[] = [
  {
    name: "a rollup is believed although its head was changed",
    file: "src/segments/rollup_file.ts",
    from: "if (line === null || sha256(line) !== digest) return null;",
    to: "if (line === null) return null;",
    tests: ANSWERS,
  },
  {
    name: "a part of a rollup is believed although it was changed",
    file: "src/rollup/rollup_text.ts",
    from: "if (text === null || sha256(text) !== head[`${name}_sha256`]) return null;",
    to: "if (text === null) return null;",
    tests: ["tests/rollup/rollup_test.ts"],
  },
  {
    name: "an archive that the window cuts within a quarter is answered from cells",
    file: "src/read/sum_up.ts",
    from: "if (needsCells && (kind.cell === null || !isCutAtQuarters(line, filter))) return false;",
    to: "if (needsCells && kind.cell === null) return false;",
    tests: ANSWERS,
  },
  {
    name: "an archive that the window cuts is answered from totals",
    file: "src/read/sum_up.ts",
    from: "const needsCells = question.isByTime || !isWhole;",
    to: "const needsCells = question.isByTime;",
    tests: ANSWERS,
  },
  {
    name: "events without a time count in a window",
    file: "src/read/sum_up.ts",
    from: "? !filter.isTimed",
    to: "? true",
    tests: ANSWERS,
  },
  {
    name: "the failures of all types are added although only some types are asked for",
    file: "src/read/sum_up.ts",
    from: "(failures === null || isFiltered && failures.length > 0)",
    to: "failures === null",
    tests: ANSWERS,
  },
  {
    name: "a condition of the caller is ignored for archives with a rollup",
    file: "src/read/sum_up.ts",
    from: 'if (typeof digest !== "string" || question.filter.where !== undefined) return false;',
    to: 'if (typeof digest !== "string") return false;',
    tests: ANSWERS,
  },
  {
    name: "the rest of a sum is lost when the sum is stored",
    file: "src/rollup/spend_tally.ts",
    from: "for (const part of [sum, rest, restOfRest]) tally.sum.add(part);",
    to: "tally.sum.add(sum);",
    tests: ANSWERS,
  },
  {
    name: "two groups whose values have the same letters are one group",
    file: "src/rollup/rollup.ts",
    from: 'id += text === null ? "-" : `${text.length}:${text}`;',
    to: 'id += text ?? "-";',
    tests: ["tests/rollup/rollup_test.ts"],
  },
  {
    name: "a merged sample forgets how far apart the means of its parts are",
    file: "src/rollup/moments.ts",
    from: "this.#squares += other.#squares + distance * (distance * (this.#n / n * other.#n));",
    to: "this.#squares += other.#squares;",
    tests: ANSWERS,
  },
  {
    name: "quantiles are off by one bucket",
    file: "src/rollup/quantile_sketch.ts",
    from: "return GAMMA ** (bucket - 1) * (2 * GAMMA / (GAMMA + 1));",
    to: "return GAMMA ** bucket * (2 * GAMMA / (GAMMA + 1));",
    tests: SKETCH,
  },
  {
    name: "the cost of a line of a budget or of a beginning is left out",
    file: "src/rollup/call_tally.ts",
    from: "if (finite(event.cost) !== null) return true;",
    to: "",
    tests: FIGURES,
  },
  {
    name: "the hours of a day with a change of clocks are sorted as texts",
    file: "src/stats/group_key.ts",
    from: "return isTimeKey(name) ? instantOf(one) - instantOf(other) : one < other ? -1 : 1;",
    to: "return one < other ? -1 : 1;",
    tests: FIGURES,
  },
  {
    name: "the old rollup of an archive stays if the new one cannot be written",
    file: "src/segments/rollup_file.ts",
    from: "if (removeFile(fileSystem, path)) await log.sync();",
    to: "",
    tests: FILES,
  },
  {
    name: "recovery does not write missing rollups",
    file: "src/segments/recover.ts",
    from: 'return digest === undefined || (digest !== null && !forms.has("rollup"));',
    to: "return digest === undefined;",
    tests: FILES,
  },
];

await testPlantedFaults(
  "The tests of statistics fail for each fault that is planted in the source",
  FAULTS,
);
