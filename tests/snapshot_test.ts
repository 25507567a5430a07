import { assert, assertEquals, assertMatch } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { TextLineStream } from "@std/streams";
import { AuditLog, AuditReader } from "@vivarium/scout";
import { sampledTest } from "./extent.ts";
import { programArgs } from "./run_program.ts";
import { tempDir } from "./temp_dir.ts";

const QUERIES = fromFileUrl(new URL("./programs/queries.ts", import.meta.url));
const ROUNDS = 10;
const QUERIES_A_ROUND = 50;

await sampledTest(
  "AuditReader.query() yields a snapshot while a writer rotates all the time, also with --allow-read alone",
  1 / ROUNDS,
  async (extent) => {
    using dir = tempDir();
    const args = programArgs(QUERIES, {
      dir: dir.path(""),
      args: [],
      flags: [`--allow-read=${dir.path("")}`],
    });
    const piped = { stdin: "piped", stdout: "piped" } as const;
    await using other = new Deno.Command(Deno.execPath(), { args, ...piped }).spawn();
    const orders = other.stdin.getWriter();
    const answers = other.stdout.pipeThrough(new TextDecoderStream())
      .pipeThrough(new TextLineStream()).getReader();
    let rotations = 0;
    for (let round = 0; round < extent.of(ROUNDS); round++) {
      // Each round starts a new log, because a growing history would make each query slower.
      const path = dir.path(`${round}/a.jsonl`);
      const writer = new Rotator(await AuditLog.open({ path, rotationSizeBytes: 300 }));
      await orders.write(new TextEncoder().encode(`${path}\n`));
      const working = writer.work();
      let answer: string | undefined;
      try {
        await queryOften(path, writer);
        answer = (await answers.read()).value;
      } finally {
        writer.end();
        await working;
      }
      assertMatch(`${answer}`, /^\d+$/);
      assert(Number(answer) <= writer.acknowledged);
      rotations += writer.rotations(dir.path(`${round}`));
    }
    await orders.close();
    assertEquals((await other.status).success, true);
    assert(rotations >= extent.of(100), `only ${rotations} rotations`);
  },
);

/** A writer that appends, and therefore rotates, without a pause. */
class Rotator {
  acknowledged = 0;
  readonly #log: AuditLog;
  #isEnded = false;

  constructor(log: AuditLog) {
    this.#log = log;
  }

  async work(): Promise<void> {
    for (let n = 0; !this.#isEnded; n++) {
      await this.#log.log("nav", { n });
      this.acknowledged = n + 1;
    }
    await this.#log.close();
  }

  end(): void {
    this.#isEnded = true;
  }

  rotations(directory: string): number {
    return [...Deno.readDirSync(directory)].filter(({ name }) => name.endsWith(".gz")).length;
  }
}

async function queryOften(path: string, writer: Rotator): Promise<void> {
  await using reader = await AuditReader.open({ path });
  let last = 0;
  for (let count = 0; count < QUERIES_A_ROUND; count++) {
    const acknowledgedBefore = writer.acknowledged;
    const query = reader.query();
    const numbers = (await query.toArray()).map(({ n }) => n as number);
    const gap = numbers.findIndex((n, at) => n !== at);
    assertEquals(gap, -1, `event ${numbers[gap]} at place ${gap}`);
    assert(numbers.length >= acknowledgedBefore, "acknowledged events are missing");
    assert(numbers.length >= last, "fewer events than before");
    assertEquals(query.damage, []);
    last = numbers.length;
  }
}
