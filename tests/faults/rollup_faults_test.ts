/**
 * Plants faults in a copy of the source of rollups (sums of archives), to prove that the tests find them.
 *
 * @module
 */
import { type Fault, testPlantedFaults } from "../mutant.ts";

const TESTS = ["tests/faults/rollup_check_test.ts"];

const FAULTS: readonly Fault[] = [
  {
    name: "a rollup (sums) lacks the first event of its archive",
    file: "src/segments/segment_summary.ts",
    from: "this.#rollupScan?.add(event, epochMs, lineBytes);",
    to: "if (this.#lines > 1) this.#rollupScan?.add(event, epochMs, lineBytes);",
    tests: TESTS,
  },
  {
    name: "a reader uses a rollup (sums) that belongs to other content",
    file: "src/read/whole_archives.ts",
    from: "if (rollup === null || rollup.content_sha256 !== line.sha256) return null;",
    to: "if (rollup === null) return null;",
    tests: TESTS,
  },
  {
    name: "a reader uses a rollup (sums of an archive) whose digest is not in the manifest",
    file: "src/segments/rollup_file.ts",
    from: "if (read === null || sha256(read.line) !== digest) return null;",
    to: "if (read === null) return null;",
    tests: TESTS,
  },
  {
    name: "recovery does not write the missing rollup (sums) of an archive",
    file: "src/segments/recover.ts",
    from: 'return digest === undefined || (digest !== null && !forms.has("rollup"));',
    to: "return digest === undefined;",
    tests: TESTS,
  },
  {
    name: "recovery keeps a rollup (sums) whose archive does not exist",
    file: "src/segments/recover.ts",
    from: "if (isStray && removeFile(fileSystem, files[form](stamp))) {",
    to: "if (false) {",
    tests: TESTS,
  },
  {
    name: "an unfinished rollup (sums of an archive) already has its final name",
    file: "src/segments/rollup_file.ts",
    from: "const unfinished = files.unfinishedRollup(stamp);",
    to: "const unfinished = files.rollup(stamp);",
    tests: TESTS,
  },
];

await testPlantedFaults(
  "The tests of rollups (sums of archives) find faults that are planted in the source",
  FAULTS,
);
