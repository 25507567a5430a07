/**
 * A copy of this project in which a fault can be planted in the source, to see that the tests find it.
 *
 * @module
 */
import { assertEquals, assertMatch } from "@std/assert";
import { cpSync } from "node:fs";
import { fromFileUrl, join } from "@std/path";
import { longTest } from "./extent.ts";
import { type CommandResult, runCommand } from "./run_command.ts";
import { type TempDir, tempDir } from "./temp_dir.ts";

const ROOT = fromFileUrl(new URL("..", import.meta.url));
const PARTS = ["mod.ts", "deno.json", "deno.lock", "src", "tests", "examples", ".std"];

/** A fault in one file of the source. */
export interface Fault {
  /** A description of the fault in the code. */
  readonly name: string;
  /** Path of the file, from the root of the project. */
  readonly file: string;
  /** The text to replace, which the file must have exactly once. */
  readonly from: string;
  readonly to: string;
  /** The test files that must find the fault. */
  readonly tests: readonly string[];
}

/**
 * Returns the source of a file with a fault in it.
 *
 * @throws {Error} If the source does not have the text to replace exactly once.
 */
function sourceWith({ file, from, to }: Fault, source: string): string {
  const parts = source.split(from);
  if (parts.length !== 2) {
    throw new Error(`Cannot plant fault: ${file} has the text ${parts.length - 1} times: ${from}`);
  }
  return parts.join(to);
}

/**
 * Registers the tests that find planted faults. The long suite plants each fault and runs the tests that must find it.
 * The quick suite only checks that the source contains the text that each fault replaces, so that a change of the
 * source is noticed early.
 *
 * @param name The name of the long test.
 * @param faults The faults.
 */
export async function testPlantedFaults(name: string, faults: readonly Fault[]): Promise<void> {
  for (const fault of faults) {
    Deno.test(`The source contains the text that this planted fault replaces: ${fault.name}`, () => {
      sourceWith(fault, Deno.readTextFileSync(join(ROOT, fault.file)));
    });
  }
  await longTest(name, async (t) => {
    using mutant = new Mutant();
    const { code, stdout } = await mutant.test([...new Set(faults.flatMap(({ tests }) => tests))]);
    assertEquals(code, 0, stdout);
    for (const fault of faults) {
      await t.step(fault.name, async () => {
        const { code, stdout } = await mutant.run(fault);
        assertEquals(code, 1, stdout);
        // At least one test must pass, which proves that the changed source can be loaded.
        assertMatch(stdout, /FAILED \| [1-9]\d* passed/);
      });
    }
  });
}

/** A copy of the project. */
class Mutant implements Disposable {
  readonly #dir: TempDir = tempDir();

  /** Copies the source and the tests. */
  constructor() {
    for (const part of PARTS) {
      cpSync(join(ROOT, part), this.#dir.path(part), { recursive: true });
    }
  }

  /** Runs the tests of a fault with the fault in the source. Then removes the fault. */
  async run(fault: Fault): Promise<CommandResult> {
    const path = this.#dir.path(fault.file);
    const source = Deno.readTextFileSync(path);
    Deno.writeTextFileSync(path, sourceWith(fault, source));
    try {
      return await this.test(fault.tests);
    } finally {
      Deno.writeTextFileSync(path, source);
    }
  }

  /** Runs tests. */
  test(tests: readonly string[]): Promise<CommandResult> {
    const args = ["test", "--no-check", "--quiet", "--allow-all", ...tests];
    return runCommand(Deno.execPath(), {
      args,
      cwd: this.#dir.path(""),
      // The seed is always the same, so that it does not depend on chance whether random cases find a fault.
      env: { NO_COLOR: "1", SCOUT_TESTS: "", SCOUT_SEED: "1" },
    });
  }

  [Symbol.dispose](): void {
    this.#dir[Symbol.dispose]();
  }
}
