/**
 * The tests of statistics and rollups find faults that are planted in a copy of the source.
 *
 * @module
 */
import { type Fault, testPlantedFaults } from "../mutant.ts";

const ANSWERS = ["tests/stats/rollup_answers_test.ts"];
const FIGURES = ["tests/stats/stats_test.ts"];
const REPORT = ["tests/report/rollup_report_test.ts"];
const SKETCH = ["tests/rollup/quantile_sketch_test.ts"];
const FILES = ["tests/segments/archive_test.ts", "tests/segments/recover_test.ts"];

const FAULTS: readonly Fault[] = [
  {
    name: "a report takes the costs of the last day from cells of a quarter of an hour",
    file: "src/report/archive_sums.ts",
    from:
      "if (n < end && isOld && eventsAfter >= LAST_EVENTS && isSummed(line)) planned.add(path);",
    to: "if (n < end && eventsAfter >= LAST_EVENTS && isSummed(line)) planned.add(path);",
    tests: REPORT,
  },
  {
    name: "a report takes an archive with some of its last events from its rollup",
    file: "src/report/archive_sums.ts",
    from:
      "if (n < end && isOld && eventsAfter >= LAST_EVENTS && isSummed(line)) planned.add(path);",
    to: "if (n < end && isOld && isSummed(line)) planned.add(path);",
    tests: REPORT,
  },
  {
    name: "a report takes an archive with the newest state of the budgets from its rollup",
    file: "src/report/archive_sums.ts",
    from:
      "if (n < end && isOld && eventsAfter >= LAST_EVENTS && isSummed(line)) planned.add(path);",
    to: "if (isOld && eventsAfter >= LAST_EVENTS && isSummed(line)) planned.add(path);",
    tests: REPORT,
  },
  {
    name: "a report takes archives that its time range cuts from their rollups",
    file: "src/report/archive_sums.ts",
    from: "if (line === undefined || !isWholeIn(line, this.#options)) continue;\n      const isOld",
    to: "if (line === undefined) continue;\n      const isOld",
    tests: REPORT,
  },
  {
    name: "a report takes an archive from cells that are wider than its bars",
    file: "src/report/archive_sums.ts",
    from: "if (this.#aggregate.cover(Date.parse(line.max_ts!)) < QUARTER_MS) return false;",
    to: "",
    tests: REPORT,
  },
  {
    name: "a report takes cells for the bars of a zone whose hours begin within them",
    file: "src/report/archive_sums.ts",
    from: "if (Date.parse(line.min_ts!) < wholeQuartersSince(timeZone)) return false;",
    to: "",
    tests: REPORT,
  },
  {
    name: "a report leaves out the decisions of the gate in archives that it does not decode",
    file: "src/report/aggregate.ts",
    from: "    this.#gate.addAll(gate);\n",
    to: "",
    tests: REPORT,
  },
  {
    name: "a report leaves out the holds in archives that it does not decode",
    file: "src/report/budget_tally.ts",
    from: "    log.holds.addAll(holds);\n",
    to: "",
    tests: REPORT,
  },
  {
    name: "a report continues the amounts of a budget after an archive that it has not decoded",
    file: "src/report/budget_tally.ts",
    from: "    log.ledger = ledger;\n",
    to: "",
    tests: REPORT,
  },
  {
    name: "a report takes the times of sessions only from decoded archives",
    file: "src/report/session_tally.ts",
    from: "    session.times.addAll(times);\n",
    to: "",
    tests: REPORT,
  },
  {
    name: "the metrics of the gate list no decisions of archives",
    file: "src/read/gate_decisions.ts",
    from: "newestFirst.length < lastN || !isWholeIn(archive.line, filter)",
    to: "!isWholeIn(archive.line, filter)",
    tests: REPORT,
  },
  {
    name: "a rollup is believed although its head was changed",
    file: "src/segments/rollup_file.ts",
    from: "if (read === null || sha256(read.line) !== digest) return null;",
    to: "if (read === null) return null;",
    tests: ANSWERS,
  },
  {
    name: "a part of a rollup is believed although it was changed",
    file: "src/rollup/rollup_text.ts",
    from: "if (text === null || sha256(text) !== head.parts_sha256[name]) return null;",
    to: "if (text === null) return null;",
    tests: ["tests/rollup/rollup_test.ts"],
  },
  {
    name: "an archive that the window cuts within a quarter is answered from cells",
    file: "src/read/sum_up.ts",
    from:
      "if (needsCells && (kind.fromSpend === null || !isCutAtQuarters(line, filter))) return false;",
    to: "if (needsCells && kind.fromSpend === null) return false;",
    tests: ANSWERS,
  },
  {
    name: "an archive that the window cuts is answered from totals",
    file: "src/read/sum_up.ts",
    from: "const needsCells = timeZone !== null || !isWhole;",
    to: "const needsCells = timeZone !== null;",
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
    from: "if (question.filter.where !== undefined) return false;",
    to: "",
    tests: ANSWERS,
  },
  {
    name: "the rest of a sum is lost when the sum is stored",
    file: "src/rollup/spend_tally.ts",
    from: "new SpendTally(PreciseSum.from([sum, rest, restOfRest]))",
    to: "new SpendTally(PreciseSum.from([sum]))",
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
