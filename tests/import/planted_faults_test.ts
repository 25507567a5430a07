/**
 * Checks that the tests of imports find faults that are planted in a copy of the source.
 *
 * @module
 */
import { type Fault, testPlantedFaults } from "../mutant.ts";

const EVENTS = ["tests/import/import_events_test.ts"];
const RANDOM = ["tests/import/random_imports_test.ts", ...EVENTS];
const COMMAND = ["tests/cli/import_transcripts_test.ts"];
const AGAIN = ["tests/cli/import_again_test.ts"];

const FAULTS: readonly Fault[] = [
  {
    name: "a message of Claude Code counts with the usage of its first line",
    file: "src/import/claude_code.ts",
    from: "open.usage = open.usage === undefined ? usage : largest(open.usage, usage);",
    to: "open.usage ??= usage;",
    tests: EVENTS,
  },
  {
    name: "each line of a message of Claude Code counts",
    file: "src/import/claude_code.ts",
    from: "open.usage = open.usage === undefined ? usage : largest(open.usage, usage);",
    to: "open.usage = sum(open.usage ?? {}, usage);",
    tests: RANDOM,
  },
  {
    name: "a message of Claude Code is recognized by its requestId",
    file: "src/import/claude_code.ts",
    from:
      "const id = textOf(message.id) || textOf(record.requestId) || textOf(record.uuid) || undefined;",
    to:
      "const id = textOf(record.requestId) || textOf(message.id) || textOf(record.uuid) || undefined;",
    tests: EVENTS,
  },
  {
    name: "a call of Codex counts with the usage of the last call, which repeats",
    file: "src/import/codex.ts",
    from: "const usage = usageIn(change);",
    to: "const usage = usageIn(last ?? change);",
    tests: EVENTS,
  },
  {
    name: "the calls that a fork of Codex copies are calls of their own",
    file: "src/import/codex.ts",
    from: "this.#isOwn = parent === undefined || Number.isNaN(madeMs);",
    to: "this.#isOwn = true; if (parent !== undefined) this.#forkedMs = madeMs;",
    tests: EVENTS,
  },
  {
    name:
      "an own call of a fork of Codex has the ID of a call of its parent with the same counters",
    file: "src/import/codex.ts",
    from: "const isForks = this.#forkedMs !== undefined && this.#isOwn;",
    to: "const isForks = false;",
    tests: EVENTS,
  },
  {
    name: "the outer span of a call counts too",
    file: "src/import/otlp.ts",
    from: "return inner.some((each) => {",
    to: "return inner.every((each) => {",
    tests: EVENTS,
  },
  {
    name: "an integer of OTLP that is a string is not read",
    file: "src/import/otlp.ts",
    from: 'if ("intValue" in value) return numberIn(value.intValue);',
    to: 'if ("intValue" in value) return value.intValue;',
    tests: EVENTS,
  },
  {
    name: "the growth of a call is appended again at each import",
    file: "src/import/known_calls.ts",
    from: "const id = event.adjusts ?? event.import_id;",
    to: "const id = event.import_id;",
    tests: RANDOM,
  },
  {
    name: "a call that another file states with more tokens keeps the tokens of the first file",
    file: "src/import/known_calls.ts",
    from: "  known.usage = merged;",
    to: "  known.usage ??= merged;",
    tests: RANDOM,
  },
  {
    name: "an original call of Codex is lost if a copy of it was imported first",
    file: "src/import/known_calls.ts",
    from: "(copy?.isCopy ? copy : original);",
    to: "(copy?.isCopy ? copy : undefined);",
    tests: RANDOM,
  },
  {
    name: "a dry run does not report the calls that are stated again",
    file: "src/import/known_calls.ts",
    from: "difference(sum(known.usage ?? {}, usage), merged),",
    to: "{},",
    tests: RANDOM,
  },
  {
    name: "the growth of a call counts as another call",
    file: "src/rollup/call_tally.ts",
    from: "if (isAdjustment) return false;",
    to: "",
    tests: EVENTS,
  },
  {
    name: "an incomplete last line of a transcript is invalid",
    file: "src/cli/import/calls.ts",
    from: "else if (record.isUnfinished) this.isUnfinished = true;",
    to: "",
    tests: COMMAND,
  },
  {
    name: "archives with imported calls are skipped as if they were outside of the time range",
    file: "src/cli/import/append_events.ts",
    from: "(Date.parse(line.max_ts) < fromMs || Date.parse(line.min_ts) > toMs);",
    to: "(Date.parse(line.max_ts) < toMs || Date.parse(line.min_ts) > toMs);",
    tests: COMMAND,
  },
  {
    name: "a record of JSONL that was imported before is imported again",
    file: "src/import/record_ids.ts",
    from: "(source.sumAt(number) === sum ? present : different).set(number);",
    to: "(source.sumAt(number) === sum ? different : different).set(number);",
    tests: AGAIN,
  },
  {
    name: "the digests of a file are not kept although the log has records of it",
    file: "src/cli/import/records.ts",
    from: "return logged.has(first) || counts.get(first)!.length > 1;",
    to: "return counts.get(first)!.length > 1;",
    tests: AGAIN,
  },
];

await testPlantedFaults("The tests of imports find each fault that is planted", FAULTS);
