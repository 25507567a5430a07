/**
 * Checks that the tests of statistics and rollups find faults that are planted in a copy of the source. A rollup is a
 * file with the sums of the events in one archive, so that readers need not decode the archive.
 *
 * @module
 */
import { type Fault, testPlantedFaults } from "../mutant.ts";

const ANSWERS = ["tests/stats/rollup_answers_test.ts"];
const FIGURES = ["tests/stats/stats_test.ts"];
const REPORT = ["tests/report/rollup_report_test.ts"];
const BUCKETS = ["tests/report/time_buckets_test.ts"];
const SKETCH = ["tests/rollup/quantile_sketch_test.ts"];
const FILES = ["tests/segments/archive_test.ts", "tests/segments/recover_test.ts"];

const FAULTS: readonly Fault[] = [
  {
    name: "a report does not read the events of the last day in an archive whose sums it has added",
    file: "src/report/archive_sums.ts",
    from: "if (!isRecent) return true;",
    to: "if (!isRecent || isRecent) return true;",
    tests: REPORT,
  },
  {
    name: "a report reads too few events of an archive for the spend of the last day",
    file: "src/report/archive_sums.ts",
    from: "const needed = recent === undefined ? { since: this.#dayStartMs } :",
    to: "const needed = recent === undefined ? { since: this.#dayStartMs + 3_600_000 } :",
    tests: REPORT,
  },
  {
    name: "the spend of the last day lacks the events of the quarter in which that day begins",
    file: "src/report/recent_window.ts",
    from: "const hasStart = since < first * QUARTER_MS && quarters.includes(first - 1);",
    to: "const hasStart = false;",
    tests: [...REPORT, "tests/report/recent_window_test.ts"],
  },
  {
    name: "the spend of the last hour includes the whole quarter in which that hour begins",
    file: "src/report/recent_window.ts",
    from: "this.#hour = Math.floor((endMs - HOUR_MS) / QUARTER_MS);",
    to: "this.#hour = Math.ceil((endMs - HOUR_MS) / QUARTER_MS);",
    tests: [...REPORT, "tests/report/recent_window_test.ts"],
  },
  {
    name: "a report trusts the expected end although the newest event is in the middle of the log",
    file: "src/report/archive_sums.ts",
    from: "return hasOtherEnd || damage.some(",
    to: "return damage.some(",
    tests: REPORT,
  },
  {
    name: "a report that follows the log counts the events of the last day in an archive twice",
    file: "src/read/log_cursor.ts",
    from: "else if (taken !== true) await this.#addNeeded(stamp, taken);",
    to: "else if (taken !== true) yield* this.#eventsOf(stamp);",
    tests: REPORT,
  },
  {
    name:
      "a report uses the rollup of an archive that contains some of the last events, which the report lists",
    file: "src/report/archive_sums.ts",
    from: "const isEarlier = place < end && eventsAfter >= LAST_EVENTS;",
    to: "const isEarlier = place < end;",
    tests: REPORT,
  },
  {
    name: "a report uses the rollup of the archive with the newest state of the budgets",
    file: "src/report/archive_sums.ts",
    from: "const isEarlier = place < end && eventsAfter >= LAST_EVENTS;",
    to: "const isEarlier = eventsAfter >= LAST_EVENTS;",
    tests: REPORT,
  },
  {
    name:
      "a report uses the rollup of an archive of which only a part is in the report's time range",
    file: "src/report/archive_sums.ts",
    from: "line === undefined || !isWholeIn(line, this.#options)",
    to: "line === undefined",
    tests: REPORT,
  },
  {
    name: "a report uses sums per quarter of an hour although its bars are narrower",
    file: "src/report/archive_sums.ts",
    from: "if (this.#aggregate.cover(range.lastMs) < QUARTER_MS) return false;",
    to: "",
    tests: REPORT,
  },
  {
    name: "a report takes every event at the end of the active file as one in its time range",
    file: "src/report/archive_sums.ts",
    from: ".filter((epochMs) => isInReport(epochMs, this.#options));",
    to: ";",
    tests: REPORT,
  },
  {
    name: "a report that follows the log takes the event of an unfinished line as the newest",
    file: "src/read/log_cursor.ts",
    from: "this.#source.maxLineBytes)).slice(0, -1);",
    to: "this.#source.maxLineBytes));",
    tests: REPORT,
  },
  {
    name:
      "a report adds the totals of an archive to one bar although its events are in several bars",
    file: "src/report/archive_sums.ts",
    from: "this.#aggregate.isOneBucket(range.firstMs, range.lastMs)",
    to: "true",
    tests: REPORT,
  },
  {
    name:
      "a report uses sums per quarter of an hour in a time zone whose hours begin within a quarter",
    file: "src/report/archive_sums.ts",
    from: "if (!hasWholeQuarters(timeZone, range)) return false;",
    to: "",
    tests: REPORT,
  },
  {
    name: "a report loses an event if its bar was widened for the archive that follows",
    file: "src/report/time_buckets.ts",
    from: "    this.#current = undefined;\n",
    to: "",
    tests: BUCKETS,
  },
  {
    name: "the width of the bars depends on the order of the events",
    file: "src/report/time_buckets.ts",
    from: "this.#startOf(this.#lastMs) - this.#startOf(this.#firstMs)",
    to: "this.#lastMs - this.#firstMs",
    tests: BUCKETS,
  },
  {
    name: "a report leaves out the gate decisions in archives that it does not decode",
    file: "src/report/aggregate.ts",
    from: "    this.#gate.addAll(gate);\n",
    to: "",
    tests: REPORT,
  },
  {
    name: "a report counts the calls of a group only in archives that it decodes",
    file: "src/report/aggregate.ts",
    from: "grouping.at(key).addAll(sums[group]!);",
    to: "grouping.at(key);",
    tests: REPORT,
  },
  {
    name: "the sums by agent leave out the archives without any agent",
    file: "src/rollup/rollup.ts",
    from: "if (table.keys.length > 0) return { ...table, place };",
    to: "return { ...table, place };",
    tests: ANSWERS,
  },
  {
    name: "the groups by agent that a rollup merges lack the navigations",
    file: "src/rollup/call_tally.ts",
    from: 'if (event.event === "nav") this.navs++;',
    to: 'if (event.event === "nav" && event.agent === undefined) this.navs++;',
    tests: REPORT,
  },
  {
    name: "a bar of the accuracy lacks the reasons in archives that the report does not decode",
    file: "src/report/aggregate.ts",
    from: "contents.get(quarter)!.addValidations(reasons[reason]!, count);",
    to: "if (count < 0) contents.get(quarter)!.addValidations(reasons[reason]!, count);",
    tests: REPORT,
  },
  {
    name: "a report uses the sums of an archive with an event outside of the time axis",
    file: "src/report/archive_sums.ts",
    from: "return [min_ts, max_ts].every((ts) =>",
    to: "return [max_ts].every((ts) =>",
    tests: REPORT,
  },
  {
    name: "the timeline lacks the calls in archives that a report does not decode",
    file: "src/report/aggregate.ts",
    from: "contents.get(quarter)!.addCalls(groups[agent]!, { calls, errors });",
    to: "",
    tests: REPORT,
  },
  {
    name: "the timeline adds all calls of an archive within one bar to one agent",
    file: "src/report/archive_sums.ts",
    from: "return [quarter, agents.length === 1 ? 0 : group, calls, errors];",
    to: "return [quarter, 0, calls, errors];",
    tests: REPORT,
  },
  {
    name: "the timeline has lanes for the agents without calls in archives that are not decoded",
    file: "src/report/archive_sums.ts",
    from: "}).filter(([, , calls]) => calls > 0);",
    to: "});",
    tests: REPORT,
  },
  {
    name: "the median durations lack the calls in archives that a report does not decode",
    file: "src/report/aggregate.ts",
    from:
      "for (const [quarter, sketch] of durations) contents.get(quarter)!.durations.addAll(sketch);",
    to: "",
    tests: REPORT,
  },
  {
    name: "a report takes durations that a rollup does not store as missing in the events",
    file: "src/report/archive_sums.ts",
    from: "if (activity === null || activity.durations === null) return null;",
    to: "if (activity === null) return null;",
    tests: REPORT,
  },
  {
    name: "a rollup does not count the failed calls in each quarter of an hour",
    file: "src/rollup/group_scan.ts",
    from: "if (hasFailed) this.errors++;",
    to: "",
    tests: REPORT,
  },
  {
    name: "a report does not find the end of a call in an archive that it does not decode",
    file: "src/report/aggregate.ts",
    from: "this.#spans.addArchive(spans);",
    to: "this.#spans.addArchive({ ...spans, ended: [] });",
    tests: REPORT,
  },
  {
    name: "a report uses a summary of calls that does not list all ends",
    file: "src/report/span_tally.ts",
    from: "return this.#open === null || !this.#open.isAwaiting(spans.unlisted);",
    to: "return true;",
    tests: ["tests/report/span_tally_test.ts"],
  },
  {
    name: "a report leaves out the failures in archives that it does not decode",
    file: "src/report/aggregate.ts",
    from: "const reasons = this.#failures.addAll(failures);",
    to: "const reasons = failures.map(({ reason }) => reason);",
    tests: REPORT,
  },
  {
    name: "a report leaves out the budget holds in archives that it does not decode",
    file: "src/report/budget_tally.ts",
    from: "    log.holds.addAll(holds);\n",
    to: "",
    tests: REPORT,
  },
  {
    name: "a report adds to the known amounts of a budget after an archive that it has not decoded",
    file: "src/report/budget_tally.ts",
    from: "    log.ledger = ledger;\n",
    to: "",
    tests: REPORT,
  },
  {
    name: "a report takes the times of sessions only from archives that it decodes",
    file: "src/report/session_tally.ts",
    from: "    session.times.addAll(times);\n",
    to: "",
    tests: REPORT,
  },
  {
    name: "gateMetrics() does not list the last decisions that are in archives",
    file: "src/read/gate_decisions.ts",
    from: "newestFirst.length < lastN || !isWholeIn(archive.line, filter)",
    to: "!isWholeIn(archive.line, filter)",
    tests: REPORT,
  },
  {
    name: "a reader uses a rollup although its first line was changed",
    file: "src/segments/rollup_file.ts",
    from: "if (read === null || sha256(read.line) !== digest) return null;",
    to: "if (read === null) return null;",
    tests: ANSWERS,
  },
  {
    name: "a reader uses a part of a rollup although this part was changed",
    file: "src/rollup/rollup_text.ts",
    from: "if (text === null || sha256(text) !== head.parts_sha256[name]) return null;",
    to: "if (text === null) return null;",
    tests: ["tests/rollup/rollup_test.ts"],
  },
  {
    name:
      "a query uses sums per quarter of an hour although its time range begins or ends within a quarter",
    file: "src/read/sum_up.ts",
    from:
      "if (needsCells && (kind.fromSpend === null || !isCutAtQuarters(line, filter))) return false;",
    to: "if (needsCells && kind.fromSpend === null) return false;",
    tests: ANSWERS,
  },
  {
    name: "a query uses the total of an archive of which only a part is in the query's time range",
    file: "src/read/sum_up.ts",
    from: "const needsCells = timeZone !== null || !isWhole;",
    to: "const needsCells = timeZone !== null;",
    tests: ANSWERS,
  },
  {
    name: "a query with a time range counts events without a time",
    file: "src/read/sum_up.ts",
    from: "? !filter.isTimed",
    to: "? true",
    tests: ANSWERS,
  },
  {
    name: "stats() of some event types adds the failures of all event types",
    file: "src/read/sum_up.ts",
    from: "(failures === null || isFiltered && failures.length > 0)",
    to: "failures === null",
    tests: ANSWERS,
  },
  {
    name: "the function in the option where is ignored for archives with a rollup",
    file: "src/read/sum_up.ts",
    from: "if (question.filter.where !== undefined) return false;",
    to: "",
    tests: ANSWERS,
  },
  {
    name: "the rounding error that belongs to an exact sum is lost when a rollup stores the sum",
    file: "src/rollup/spend_tally.ts",
    from: "new SpendTally(PreciseSum.from([sum, rest, restOfRest]))",
    to: "new SpendTally(PreciseSum.from([sum]))",
    tests: ANSWERS,
  },
  {
    name: "the events without a value are in one group with those that have an empty value",
    file: "src/rollup/group_scan.ts",
    from: "node = node.child(this.#textOf(event, name));",
    to: 'node = node.child(this.#textOf(event, name) ?? "");',
    tests: ["tests/rollup/rollup_test.ts"],
  },
  {
    name: "the deviation of two merged samples ignores how far apart their means are",
    file: "src/rollup/moments.ts",
    from: "this.#squares += other.#squares + distance * (distance * (this.#n / n * other.#n));",
    to: "this.#squares += other.#squares;",
    tests: ANSWERS,
  },
  {
    name: "each quantile is taken from the wrong bucket of the sketch",
    file: "src/rollup/quantile_sketch.ts",
    from: "return GAMMA ** (bucket - 1) * (2 * GAMMA / (GAMMA + 1));",
    to: "return GAMMA ** bucket * (2 * GAMMA / (GAMMA + 1));",
    tests: SKETCH,
  },
  {
    name: "spend() counts the tokens of an event that begins a span as those of a call",
    file: "src/rollup/spend_tally.ts",
    from: "(input === null && output === null) || mayBeCall(event);",
    to: "true;",
    tests: ANSWERS,
  },
  {
    name: "stats() leaves out the cost of a budget event or of an event that begins a span",
    file: "src/rollup/call_tally.ts",
    from: "if (usd !== null) return true;",
    to: "",
    tests: FIGURES,
  },
  {
    name: "the hours of a day on which the clocks change are sorted as texts and not by time",
    file: "src/stats/group_key.ts",
    from: "return isTimeKey(name) ? instantOf(one) - instantOf(other) : one < other ? -1 : 1;",
    to: "return one < other ? -1 : 1;",
    tests: FIGURES,
  },
  {
    name: "the old rollup of an archive is kept if a new rollup cannot be written",
    file: "src/segments/rollup_file.ts",
    from: "if (removeFile(fileSystem, path)) await log.sync();",
    to: "",
    tests: FILES,
  },
  {
    name: "the repair of a log at open() does not write missing rollups",
    file: "src/segments/recover.ts",
    from: 'return digest === undefined || (digest !== null && !forms.has("rollup"));',
    to: "return digest === undefined;",
    tests: FILES,
  },
];

await testPlantedFaults(
  "The tests of statistics and rollups fail for each fault that is planted in a copy of the source",
  FAULTS,
);
