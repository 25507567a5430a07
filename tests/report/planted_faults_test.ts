/**
 * Plants faults in a copy of the source of the live page, to prove that its tests find these faults.
 *
 * @module
 */
import { type Fault, testPlantedFaults } from "../mutant.ts";

const FILTERED = ["tests/report/filtered_report_test.ts", "tests/report/report_filter_test.ts"];
const SERVED = ["tests/report/serve_report_test.ts"];

const FAULTS: readonly Fault[] = [
  {
    name: "a filter by agent also selects the lines of budgets",
    file: "src/report/report_filter.ts",
    from: "!isReservedType(event.event) &&",
    to: "",
    tests: FILTERED,
  },
  {
    name: "a filter by the reason of a failure ignores the reason",
    file: "src/report/report_filter.ts",
    from: "(isFailure(event) && groupedReasonOf(event) === reason)",
    to: "isFailure(event)",
    tests: FILTERED,
  },
  {
    name: "a filter by text distinguishes upper and lower case",
    file: "src/report/report_filter.ts",
    from: "String(value).toLowerCase().includes(text)",
    to: "String(value).includes(text)",
    tests: FILTERED,
  },
  {
    name: "a filtered page uses the sums of archives, which also have the events that do not match",
    file: "src/report/live_source.ts",
    from: "if (logs.length === 1 && where === undefined) {",
    to: "if (logs.length === 1) {",
    tests: FILTERED,
  },
  {
    name: "a filtered page lists calls whose ends do not match the filter as unfinished",
    file: "src/report/render_report.ts",
    from: "if (!isSelected) aggregate.addEnd(event);",
    to: "",
    tests: FILTERED,
  },
  {
    name: "a filtered page shows events after the end of its time range",
    file: "src/report/report_filter.ts",
    from:
      'untilMs: until === undefined ? untilMs : Math.min(untilMs, epochMsOf("until", until, timeZone)),',
    to: "untilMs,",
    tests: FILTERED,
  },
  {
    name: "a filtered report ends although a page of it is open",
    file: "src/report/live_reports.ts",
    from: "find(([, { users }]) => users === 0)",
    to: "find(() => true)",
    tests: SERVED,
  },
  {
    name: "a closed page still counts as a user of its filter",
    file: "src/report/live_reports.ts",
    from: "if (isUsed) entry.users--;",
    to: "",
    tests: SERVED,
  },
  {
    name: "a link of a filtered page drops the filter of the page",
    file: "src/report/live_report.ts",
    from: "addressOf({ ...filter, ...more })",
    to: "addressOf({ ...more })",
    tests: SERVED,
  },
];

await testPlantedFaults(
  "The tests of the live page find each fault that is planted in a copy of the source",
  FAULTS,
);
