/**
 * Runs the steps of a plan on a log until the process is killed.
 *
 * The program reports each of the following on one line of standard output, unbuffered, so that a kill loses no report:
 * "ready" (it then waits for a byte on standard input), "logged N" before each call, "acknowledged N" or "refused N"
 * when the call's promise settles, "durable N" when a flush() or close() has made the events up to N durable, and
 * "failed MESSAGE".
 *
 * @module
 */
import { type AuditLog, AuditWriteError, type Logger } from "@vivarium/scout";
import { openLogOn } from "../../src/audit_log.ts";
import { writesBehind } from "../faults/planted_faults.ts";
import { denoFileSystem } from "../../src/platform/deno_file_system.ts";
import type { FileSystem } from "../../src/platform/file_system.ts";
import { denoPlatform } from "../../src/platform/platform.ts";

/**
 * A step of a plan. `events` are awaited one after the other, or all logged in one event-loop turn without an await.
 */
export type Step =
  | { readonly do: "awaited" | "unawaited"; readonly events: readonly number[] }
  | { readonly do: "recovery" | "flush" | "rotate" };

/** The work of a writer. */
export interface Plan {
  readonly rotationSizeBytes: number;
  readonly fsyncEveryNLines: number;
  /** Is true if syncs run on the calling thread, so that all system calls have a fixed order. */
  readonly onOneThread: boolean;
  /**
   * Is true if events are acknowledged before they are written. This is a planted fault, which the tests must detect.
   */
  readonly writesBehind: boolean;
  /** Number of the first event. */
  readonly firstEvent: number;
  readonly steps: readonly Step[];
}

/** Returns the fields of event `n`. The field `length` shows whether the field `text` was cut off. */
export function fieldsOf(n: number, length: number): { n: number; length: number; text: string } {
  return { n, length, text: "é".repeat(length) };
}

const encoder = new TextEncoder();

/** Writes a line to standard output. The line is short enough that a pipe transfers it atomically. */
function tell(text: string): void {
  Deno.stdout.writeSync(encoder.encode(`${text.replaceAll("\n", " ").slice(0, 1_000)}\n`));
}

const told: Logger = {
  debug() {},
  info() {},
  warn() {},
  error: (...parts) => tell(`failed ${parts.map(String).join(" ")}`),
};

const oneThread: FileSystem = {
  ...denoFileSystem,
  open(path, access) {
    const handle = denoFileSystem.open(path, access);
    return Object.assign(handle, { syncData: () => Promise.try(() => handle.syncDataSync()) });
  },
  syncDirectory: (path) => Promise.try(() => denoFileSystem.syncDirectorySync(path)),
};

class KilledWriter {
  readonly #log: AuditLog;
  #next: number;

  constructor(log: AuditLog, firstEvent: number) {
    this.#log = log;
    this.#next = firstEvent;
  }

  async do(step: Step): Promise<void> {
    switch (step.do) {
      case "awaited":
        for (const length of step.events) await this.#logNext(length);
        break;
      case "unawaited":
        for (const length of step.events) this.#logNext(length);
        break;
      case "recovery":
        await this.#log.recovery;
        break;
      case "rotate":
        await this.#log.rotate();
        break;
      case "flush":
        await this.#settle("flush");
    }
  }

  close(): Promise<void> {
    return this.#settle("close");
  }

  async #settle(how: "flush" | "close"): Promise<void> {
    const last = this.#next - 1;
    await this.#log[how]();
    tell(`durable ${last}`);
  }

  #logNext(length: number): Promise<void> {
    const n = this.#next++;
    tell(`logged ${n}`);
    return this.#log.log("nav", fieldsOf(n, length)).then(
      () => tell(`acknowledged ${n}`),
      (error) => {
        const isRefused = error instanceof AuditWriteError && error.phase !== "sync";
        tell(isRefused ? `refused ${n}` : `failed ${error}`);
      },
    );
  }
}

async function main(path: string, plan: Plan): Promise<void> {
  tell("ready");
  Deno.stdin.readSync(new Uint8Array(1));
  const { rotationSizeBytes, fsyncEveryNLines, onOneThread, firstEvent, steps } = plan;
  const honest = onOneThread ? oneThread : denoFileSystem;
  const fileSystem = plan.writesBehind ? writesBehind(honest, path) : honest;
  const log = await openLogOn({ ...denoPlatform, fileSystem }, {
    path,
    rotationSizeBytes,
    fsyncEveryNLines,
    // The timer for syncs is turned off, because a sync by timer would make the system calls differ between runs.
    fsyncIntervalSec: 1_000,
    // The clock stands still, so segments have the same names in each run.
    now: () => Date.UTC(2026, 1, 13, 14, 30, 22),
    logger: told,
  });
  const writer = new KilledWriter(log, firstEvent);
  try {
    for (const step of steps) await writer.do(step);
    await writer.close();
  } catch (error) {
    tell(`failed ${error}`);
  }
}

if (import.meta.main) {
  const [path = "", plan = ""] = Deno.args;
  await main(path, JSON.parse(plan));
}
