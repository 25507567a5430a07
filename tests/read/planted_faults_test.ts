/**
 * Checks that the tests of reading find faults that are planted in a copy of the source, in the code that parses many
 * lines together.
 *
 * @module
 */
import { type Fault, testPlantedFaults } from "../mutant.ts";

const TOGETHER = ["tests/line/parse_lines_test.ts"];
const BLOCKS = ["tests/read/parse_block_test.ts"];
const SUMMARY = ["tests/segments/segment_summary_test.ts"];

const FAULTS: readonly Fault[] = [
  {
    name: "a line may be divided into two events",
    file: "src/line/parse_lines.ts",
    from: "text.length > LENGTH_MAX || NEXT_OBJECT.test(text)",
    to: "text.length > LENGTH_MAX",
    tests: [...TOGETHER, ...BLOCKS, ...SUMMARY],
  },
  {
    name: "a line may be divided at a comma with a carriage return after it",
    file: "src/line/parse_lines.ts",
    from: "const NEXT_OBJECT = /\\}[ \\t\\r]*,[ \\t\\r]*\\{/;",
    to: "const NEXT_OBJECT = /\\}[ \\t\\r]*,[ \\t]*\\{/;",
    tests: TOGETHER,
  },
  {
    name: "two lines may be merged into one event",
    file: "src/line/parse_lines.ts",
    from: "values.length === lineCount && values.every(isObject)",
    to: "values.length <= lineCount && values.every(isObject)",
    tests: [...TOGETHER, ...BLOCKS, ...SUMMARY],
  },
  {
    name: "a line that is not an object counts as an event",
    file: "src/line/parse_lines.ts",
    from: "values.length === lineCount && values.every(isObject)",
    to: "values.length === lineCount",
    tests: [...TOGETHER, ...BLOCKS, ...SUMMARY],
  },
  {
    name: "a block may contain a line that is too long",
    file: "src/read/parse_block.ts",
    from: "if (texts !== undefined || mayBeTooLong(text.length, maxLineBytes)) return null;",
    to: "if (texts !== undefined) return null;",
    tests: BLOCKS,
  },
  {
    name: "the last chained line of a segment is not the last one",
    file: "src/segments/segment_summary.ts",
    from: "this.#lastLink = lastLinkIn(bytes) ?? this.#lastLink;",
    to: "this.#lastLink ??= lastLinkIn(bytes);",
    tests: SUMMARY,
  },
  {
    name: "a segment scan keeps a reference to a chunk that was released",
    file: "src/segments/segment_summary.ts",
    from: "this.#addOneByOne(chunk.slice(end));",
    to: "this.#addOneByOne(chunk.subarray(end));",
    tests: SUMMARY,
  },
  {
    name: "a span begins with a line that is not its own",
    file: "src/segments/segment_summary.ts",
    from: "this.#add(event, end + 1 - start, () => bytes.subarray(from, end));",
    to: "this.#add(event, end + 1 - start, () => bytes.subarray(from, end - 1));",
    tests: SUMMARY,
  },
];

await testPlantedFaults("The tests of reading find each fault that is planted", FAULTS);
