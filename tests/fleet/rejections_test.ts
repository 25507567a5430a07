import { assertEquals, assertRejects } from "@std/assert";
import { AuditLog, type Logger } from "@vivarium/scout";
import { denoFileSystem } from "../../src/platform/deno_file_system.ts";
import type { FleetConnection } from "../../src/fleet/connection.ts";
import { type ApiError, FleetServerError } from "../../src/fleet/fleet_stream.ts";
import { shipOn } from "../../src/fleet/ship.ts";
import type { ShipReport } from "../../src/fleet/ship_options.ts";
import { SimulatedDisk } from "../faults/simulated_disk.ts";
import { silent } from "../loggers.ts";
import { tempDir } from "../temp_dir.ts";
import { passingClock } from "./clocks.ts";
import { ID_IN_PROCESS, SimulatedStream, SUBJECT_IN_PROCESS } from "./simulated_stream.ts";

const SUBJECT = "audit.f.a";

/** A record of one shipper: its requests, its delays in milliseconds, its warnings and its report. */
interface Shipment {
  readonly requests: readonly string[];
  readonly delaysMs: readonly number[];
  readonly warnings: readonly string[];
  readonly report: ShipReport;
}

/**
 * Ships a log of one line to a simulated stream that answers the first messages with errors. `onBlock` is called before
 * the answer to each message, with the stream and the number of the message.
 */
async function shipTo(
  errors: readonly ApiError[],
  onBlock: (
    stream: SimulatedStream,
    block: Parameters<FleetConnection["request"]>,
    number: number,
  ) => unknown = () => {},
  signal?: AbortSignal,
): Promise<Shipment> {
  using dir = tempDir();
  const path = dir.path("audit.jsonl");
  {
    await using log = await AuditLog.open({ path, logger: silent });
    await log.log("nav", { n: 1 });
  }
  const stream = SimulatedStream.faultless();
  const requests: string[] = [];
  let blocks = 0;
  const connection: FleetConnection = {
    async request(...request) {
      const [subject] = request;
      const isBlock = subject === SUBJECT;
      requests.push(isBlock ? "block" : "last");
      if (!isBlock) return await stream.request(...request);
      await onBlock(stream, request, blocks);
      const error = errors[blocks++];
      if (error === undefined) return await stream.request(...request);
      return { subject: "", data: new TextEncoder().encode(JSON.stringify({ error })) };
    },
  };
  const times: number[] = [0];
  const clock = passingClock((nowMs) => void times.push(nowMs));
  const warnings: string[] = [];
  const logger: Logger = { ...silent, warn: (text) => void warnings.push(String(text)) };
  const options = { connection, fleet: "f", log: "a", path, once: true, logger };
  const report = await shipOn(
    { fileSystem: denoFileSystem, clock },
    signal === undefined ? options : { ...options, signal },
  );
  return { requests, delaysMs: times.slice(1).map((at, n) => at - times[n]!), warnings, report };
}

Deno.test("ship() retries, with growing delays, while the server is still storing a message with the same ID", async () => {
  const { requests, delaysMs, warnings, report } = await shipTo(Array(6).fill(ID_IN_PROCESS));
  assertEquals(requests, ["last", ...Array(6).fill(["block", "last"]).flat(), "block"]);
  assertEquals(delaysMs, [200, 400, 800, 1_600, 2_000, 2_000]);
  assertEquals(warnings, [
    `Shipping is interrupted and will be retried: ${ID_IN_PROCESS.description}: ${SUBJECT}`,
  ]);
  assertEquals([report.blocks, report.position === report.end], [1, true]);
});

Deno.test("ship() continues at once if the server has stored the rejected message in the meantime", async () => {
  for (const error of [ID_IN_PROCESS, SUBJECT_IN_PROCESS]) {
    const { requests, delaysMs, warnings, report } = await shipTo(
      [error],
      (stream, block, number) => number === 0 && stream.request(...block),
    );
    assertEquals(requests, ["last", "block", "last"], error.description);
    assertEquals([delaysMs, warnings], [[], []]);
    assertEquals([report.blocks, report.position === report.end], [0, true]);
  }
});

Deno.test("ship() reads the last stored message again after the server rejected the expected sequence number", async () => {
  const { requests, delaysMs, report } = await shipTo([SUBJECT_IN_PROCESS, SUBJECT_IN_PROCESS]);
  assertEquals(requests, ["last", "block", "last", "block", "last", "block"]);
  assertEquals([delaysMs, report.blocks], [[200, 400], 1]);
});

Deno.test("ship() ends if its signal aborts while it waits for the server to store a message", async () => {
  const controller = new AbortController();
  const { requests, report } = await shipTo(
    Array(100).fill(ID_IN_PROCESS),
    (_stream, _block, number) => number === 2 && controller.abort(),
    controller.signal,
  );
  assertEquals([requests.filter((request) => request === "block").length, report.blocks], [3, 0]);
});

Deno.test("ship() sends a message again after a delay if the server lacks room or has too many requests", async () => {
  const errors: ApiError[] = [
    { code: 400, err_code: 10_002, description: "resource limits exceeded for account" },
    { code: 503, err_code: 10_023, description: "insufficient resources" },
    { code: 500, err_code: 10_047, description: "insufficient storage resources available" },
    { code: 503, err_code: 10_077, description: "maximum bytes exceeded" },
    { code: 503, err_code: 10_163, description: "expected last sequence temporarily unavailable" },
    { code: 429, err_code: 10_167, description: "too many requests" },
    { code: 503, description: "raft: not leader" },
  ];
  for (const error of errors) {
    const { requests, delaysMs, report } = await shipTo([error]);
    assertEquals([requests, delaysMs, report.blocks], [["last", "block", "block"], [200], 1]);
  }
});

Deno.test("ship() rejects if the server rejects a message with an error that no retry can solve", async () => {
  const sealed = { code: 400, err_code: 10_109, description: "invalid operation on sealed stream" };
  await assertRejects(() => shipTo([sealed]), FleetServerError, sealed.description);
});

Deno.test("ship() refuses a path that differs from the name on disk only in its case, and sends nothing", async () => {
  const disk = new SimulatedDisk("Windows");
  disk.writeFile("/log/Audit.jsonl", '{"event":"nav"}\n');
  const stream = SimulatedStream.faultless();
  let requests = 0;
  const connection: FleetConnection = {
    request: (...request) => (requests++, stream.request(...request)),
  };
  const options = { connection, fleet: "f", log: "a", path: "/log/audit.jsonl", once: true };
  const platform = { fileSystem: disk.process(), clock: passingClock(() => {}) };
  await assertRejects(
    () => shipOn(platform, { ...options, logger: silent }),
    TypeError,
    "the file on disk is named Audit.jsonl",
  );
  assertEquals(requests, 0);
});
