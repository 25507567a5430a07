/**
 * Logs numbered events through random calls, chosen by the seed, until its standard input ends.
 *
 * The program reports each of the following on one line of standard output, unbuffered, so that a kill loses no report:
 * "opening", "rotating", "acknowledged N", "refused N PHASE" and "failed MESSAGE".
 *
 * @module
 */
import { AuditLog, AuditWriteError, type Logger } from "@vivarium/scout";
import { SeededRandom } from "../seeded_random.ts";

const [path = "", by = "", seed = "", rotationSizeBytes = "", chain = ""] = Deno.args;
const random = new SeededRandom(seed);
const encoder = new TextEncoder();
let isEnding = false;
Deno.stdin.readable.pipeTo(new WritableStream()).then(() => isEnding = true);

/** Writes a line to standard output. The line is short enough that a pipe transfers it atomically. */
function tell(text: string): void {
  Deno.stdout.writeSync(encoder.encode(`${text.replaceAll("\n", " ").slice(0, 1_000)}\n`));
}

const HAS_TO_WAIT = "another process has held the lock";

/** Reports a failure, except a lock timeout: a stopped process may hold the lock, which is not a fault. */
function tellFailure(error: unknown): void {
  const message = String(error);
  if (!message.includes(HAS_TO_WAIT)) tell(`failed ${message}`);
}

const told: Logger = {
  debug() {},
  info() {},
  warn() {},
  error: (...parts) => tellFailure(parts.map(String).join(" ")),
};

async function open(): Promise<AuditLog> {
  tell("opening");
  for (;;) {
    try {
      return await AuditLog.open({
        path,
        rotationSizeBytes: Number(rotationSizeBytes),
        chain: chain === "chain",
        lockTimeoutSec: 0.2,
        logger: told,
      });
    } catch (error) {
      if (!(error instanceof AuditWriteError && error.phase === "lock")) throw error;
    }
  }
}

let log = await open();
let n = 0;

function logNext(): Promise<void> {
  const number = n++;
  // Few events are large. So some batches exceed a page of memory, and a kill can leave only a part of a batch in the
  // file.
  const length = random.below(random.below(20) === 0 ? 4_000 : 100);
  return log.log("nav", { by, n: number, text: "é".repeat(length) }).then(
    () => tell(`acknowledged ${number}`),
    (error) => {
      tell(`refused ${number} ${error instanceof AuditWriteError ? error.phase : "other"}`);
      tellFailure(error);
    },
  );
}

const ACTIONS = {
  async awaited() {
    await logNext();
  },
  async together() {
    await Promise.all(Array.from({ length: 1 + random.below(30) }, logNext));
  },
  async burst() {
    for (let left = random.below(100); left >= 0; left--) logNext();
    // The program ignores rejections here, because each is reported where the promise of its event is handled.
    if (random.below(2) === 0) await log.flush();
  },
  async flush() {
    logNext();
    await log.flush();
  },
  async flushSync() {
    logNext();
    await Promise.resolve();
    log.flushSync();
  },
  async rotate() {
    logNext();
    tell("rotating");
    await log.rotate();
  },
  async reopen() {
    logNext();
    await log.close();
    log = await open();
  },
} satisfies Record<string, () => Promise<void>>;

const WEIGHTS = {
  awaited: 40,
  together: 10,
  burst: 10,
  flush: 10,
  flushSync: 5,
  rotate: 5,
  reopen: 3,
};

while (!isEnding) {
  try {
    await ACTIONS[random.pick(WEIGHTS)]();
  } catch (error) {
    tellFailure(error);
  }
}
await log.close();
