/**
 * Tests the fuzzers: each must find the one fault that is planted in a reader, a recovery or a writer.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { READERS, withEvents, withoutNames, withQueries, WRITERS } from "./fuzz_canaries.ts";
import { FILES } from "./fuzz_directory.ts";
import { checkClaims, linesFound } from "./fuzz_oracle.ts";
import {
  fuzzDirectories,
  type FuzzedReading,
  fuzzLines,
  openReader,
  type ReaderOpener,
} from "./fuzz_reader.ts";
import { fuzzRecovery, openLog } from "./fuzz_recovery.ts";
import { anyFuzz, checkUnpolluted, type Fuzz, replay } from "./fuzz_run.ts";
import { fuzzEvents } from "./fuzz_writer.ts";
import { type FaultKind, Findings, Violation } from "./harness.ts";
import { overriding } from "./planted_faults.ts";

/** Resolves with the findings in the first inputs of the fuzzer. */
async function findingsOf<T>(fuzz: Fuzz<T>, inputs = 60): Promise<Findings> {
  const findings = new Findings();
  const few = { ...fuzz, cases: inputs * fuzz.casesPerInput };
  await anyFuzz(few).run({ seed: 7, scale: 1, onProgress() {} }, findings);
  return findings;
}

async function assertFinds<T>(fuzz: Fuzz<T>, text: string, kinds?: FaultKind[]): Promise<void> {
  const { faults: [fault] } = await findingsOf(fuzz);
  assert(fault !== undefined, "found no fault");
  assert(fault.text.includes(text), fault.text);
  assert(kinds === undefined || kinds.includes(fault.kind), `unexpected kind ${fault.kind}`);
}

for (const [fault, open, text, kinds] of READERS) {
  Deno.test(`fuzzLines() finds a reader that ${fault}`, async () => {
    await assertFinds(fuzzLines(open), text, kinds);
  });
}

Deno.test("fuzzLines() finds no fault in the reader", async () => {
  const { faults, tried } = await findingsOf(fuzzLines());
  assertEquals(faults, []);
  assertEquals(tried.get("fuzz cases"), 600);
});

Deno.test("fuzzDirectories() finds a reader that skips archives, and no fault in the real reader", async () => {
  const open: ReaderOpener = (process) => openReader(withoutNames(process, ".gz"));
  await assertFinds(onlyArchives(fuzzDirectories(open)), "");
  assertEquals((await findingsOf(onlyArchives(fuzzDirectories()))).faults, []);
});

/** Restricts the fuzzer to directories whose segments (closed parts of the log) are all archived. */
function onlyArchives(fuzz: Fuzz<FuzzedReading>): Fuzz<FuzzedReading> {
  const inputs = fuzz.inputs.map(({ directory, questions }) => {
    const segments = directory.segments.map((segment) => ({ ...segment, sealed: null }));
    return { directory: { ...directory, segments, manifest: null }, questions };
  });
  return { ...fuzz, inputs };
}

Deno.test("fuzzRecovery() finds a recovery that loses an event", async () => {
  const open: typeof openLog = async (process, rotationSizeBytes) => {
    const log = await openLog(process, rotationSizeBytes);
    return overriding(log, {
      query: (options) => withEvents(log.query(options), (events) => events.slice(1)),
    });
  };
  await assertFinds(fuzzRecovery(open), "instead of", ["lost"]);
});

Deno.test("fuzzRecovery() finds a recovery that changes the disk again each time the log is opened", async () => {
  const open: typeof openLog = async (process, rotationSizeBytes) => {
    const { length } = process.list(FILES.directory);
    process.open(`${FILES.directory}/new${length}`, "create").close();
    return await openLog(process, rotationSizeBytes);
  };
  await assertFinds(fuzzRecovery(open), "a second opening changed the disk");
});

for (const [fault, open, text] of WRITERS) {
  Deno.test(`fuzzEvents() finds a writer that ${fault}`, async () => {
    await assertFinds(fuzzEvents(open), text);
  });
}

Deno.test("replay() runs the input again for which a fuzzer has found a fault", async () => {
  const fuzz = fuzzLines(withQueries((query) => withEvents(query, (events) => events.slice(1))));
  const { faults: [fault] } = await findingsOf(fuzz);
  const [, seed, path] = /seed (-?\d+), path "([\d:]+)"/.exec(fault!.text)!;
  const again = await replay(fuzz, { seed: Number(seed), path: path! });
  assertEquals(again.faults.map(({ kind }) => kind), ["lost"]);
  assertEquals((await replay(fuzzLines(), { seed: Number(seed), path: path! })).faults, []);
});

Deno.test("linesFound() distinguishes events, damage and blank lines", () => {
  const text = '{"a":NaN}\n42\n \n{"b":"NaN"}\n{"c":1}x\n{"long":"123456789"}\n{"d"';
  assertEquals(linesFound(new TextEncoder().encode(text), 20), {
    events: [{ a: null }, { b: "NaN" }],
    damaged: [
      { byteOffset: 10, byteLength: 3 },
      { byteOffset: 27, byteLength: 9 },
      { byteOffset: 36, byteLength: 21 },
      { byteOffset: 57, byteLength: 4 },
    ],
  });
});

Deno.test("checkClaims() allows additional events after a damaged file, and nowhere else", () => {
  const claims = [
    { path: "a", events: [{ n: 1 }, { n: 2 }], isAll: false },
    { path: "b", events: [{ n: 3 }, { n: 4 }], isAll: true },
  ];
  const eventsOf = (...numbers: number[]) => numbers.map((n) => ({ n }));
  checkClaims(eventsOf(1, 2, 3, 4), claims);
  checkClaims(eventsOf(1, 2, 3, 9, 3, 4), claims);
  for (const numbers of [[1, 3, 4], [1, 2, 3], [1, 2, 3, 4, 4], [2, 1, 3, 4], [1, 2, 3, 5, 4]]) {
    assertThrows(() => checkClaims(eventsOf(...numbers), claims), Violation);
  }
});

Deno.test("checkUnpolluted() detects a property added to all objects", () => {
  checkUnpolluted();
  const prototype: { polluted?: number } = Object.prototype;
  prototype.polluted = 1;
  try {
    assertThrows(checkUnpolluted, Violation);
  } finally {
    delete prototype.polluted;
  }
});
