import { assert, assertEquals } from "@std/assert";
import { FsyncCadence } from "../../src/write/fsync_cadence.ts";

/** An FsyncCadence that is compared with simple counters after each step. */
class Checked {
  readonly #cadence: FsyncCadence;
  readonly #n: number;
  #written = 0;
  /** Number of lines, from the oldest on, that are durable, or that were abandoned because their sync failed. */
  #settled = 0;
  /** Number of lines that were acknowledged before their sync failed. */
  #doubtful = 0;
  #begun: number[] = [];
  #acknowledged = 0;

  constructor(n: number) {
    this.#n = n;
    this.#cadence = new FsyncCadence(n);
  }

  write(lines: number): void {
    this.#cadence.wrote(lines);
    this.#written += lines;
    this.#check();
  }

  beginSync(): void {
    this.#begun.push(this.#written);
  }

  endSync(): void {
    const written = this.#begun.pop();
    if (written === undefined) return;
    this.#cadence.synced(written);
    this.#settled = Math.max(this.#settled, written);
    this.#check();
  }

  giveUp(): void {
    this.#doubtful += this.#acknowledged - this.#settled;
    this.#settled = this.#written;
    // A sync that ran concurrently with the failed sync may have missed the error, so its result does not count.
    this.#begun = [];
    this.#cadence.gaveUp();
    this.#check();
  }

  #check(): void {
    const { acknowledged } = this.#cadence;
    assertEquals(this.#cadence.written, this.#written);
    assert(acknowledged >= this.#acknowledged, "an acknowledgement was revoked");
    assert(acknowledged <= this.#written, "a line was acknowledged before it was written");
    assert(acknowledged >= this.#settled, "a durable line was not acknowledged");
    const atRisk = acknowledged - this.#settled + this.#doubtful;
    assert(atRisk <= this.#n - 1, "a power loss could take too many acknowledged lines");
    assertEquals(this.#cadence.hasUnsynced, this.#settled < this.#written);
    assertEquals(this.#cadence.isDue, this.#written - this.#settled >= this.#n - this.#doubtful);
    // Each line that is not acknowledged waits for a sync, so a sync must be due.
    if (acknowledged < this.#written) {
      assert(this.#cadence.isDue, "a line waits, but no sync is due");
    }
    this.#acknowledged = acknowledged;
  }
}

const STEPS: ((cadence: Checked) => void)[] = [
  (cadence) => cadence.write(1),
  (cadence) => cadence.write(2),
  (cadence) => cadence.write(7),
  (cadence) => cadence.beginSync(),
  (cadence) => cadence.endSync(),
  (cadence) => cadence.giveUp(),
];

for (const n of [1, 2, 3, 10]) {
  Deno.test(`FsyncCadence with a sync every ${n} lines has at most ${n - 1} acknowledged lines that are not durable, in all 6 ** 6 sequences of six steps`, () => {
    for (let code = 0; code < STEPS.length ** 6; code++) {
      const cadence = new Checked(n);
      for (let rest = code, step = 0; step < 6; step++, rest = Math.floor(rest / STEPS.length)) {
        STEPS[rest % STEPS.length]!(cadence);
      }
    }
  });
}

Deno.test("FsyncCadence with a sync every n lines has at most n - 1 acknowledged lines that are not durable, in long random sequences of steps (seed 1)", () => {
  let state = 1;
  const random = (below: number) => {
    state = Math.imul(state, 1664525) + 1013904223 >>> 0;
    return Math.floor(state / 2 ** 32 * below);
  };
  for (let run = 0; run < 200; run++) {
    const cadence = new Checked(1 + random(12));
    for (let step = 0; step < 500; step++) {
      const kind = random(5);
      if (kind <= 1) cadence.write(1 + random(15));
      else if (kind === 2) cadence.beginSync();
      else if (kind === 3) cadence.endSync();
      else if (random(50) === 0) cadence.giveUp();
    }
  }
});

Deno.test("FsyncCadence with a sync after every line acknowledges only durable lines", () => {
  const cadence = new FsyncCadence(1);
  assertEquals([cadence.acknowledged, cadence.isDue], [0, false]);
  cadence.wrote(3);
  assertEquals([cadence.acknowledged, cadence.isDue], [0, true]);
  cadence.synced(2);
  assertEquals([cadence.acknowledged, cadence.isDue], [2, true]);
  cadence.synced(3);
  assertEquals([cadence.acknowledged, cadence.isDue, cadence.hasUnsynced], [3, false, false]);
});

Deno.test("FsyncCadence ignores a sync of fewer lines that ends after a sync of more lines", () => {
  const cadence = new FsyncCadence(10);
  cadence.wrote(20);
  cadence.synced(20);
  cadence.synced(5);
  assertEquals([cadence.acknowledged, cadence.hasUnsynced], [20, false]);
});
