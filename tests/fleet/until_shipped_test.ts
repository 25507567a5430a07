import { pathFlag } from "../../src/errors.ts";
import { assert, assertEquals } from "@std/assert";
import { dirname } from "@std/path";
import { AuditLog, type RetentionPolicy } from "@vivarium/scout";
import { ship, type ShipReport } from "@vivarium/scout/fleet";
import type { FleetConnection } from "../../src/fleet/connection.ts";
import { denoFileSystem } from "../../src/platform/deno_file_system.ts";
import { LogDirectory } from "../../src/segments/log_directory.ts";
import { gathering, silent } from "../loggers.ts";
import { tempDir } from "../temp_dir.ts";
import { SimulatedStream } from "./simulated_stream.ts";

const FLEET = { fleet: "f", log: "a" };
const PLAIN = { ...FLEET, encoding: "identity", once: true, logger: silent } as const;
const SUBJECT = "audit.f.a";

/**
 * A stream behind a slow network: a shipper waits at its first request to store a message until the test releases the
 * network.
 */
class SlowNetwork implements FleetConnection {
  readonly stream: SimulatedStream;
  readonly #stopped = Promise.withResolvers<void>();
  readonly #released = Promise.withResolvers<void>();

  /** Creates the network in front of a stream. */
  constructor(stream: SimulatedStream = SimulatedStream.faultless()) {
    this.stream = stream;
  }

  /** Resolves when a shipper waits for the network. */
  get stopped(): Promise<void> {
    return this.#stopped.promise;
  }

  release(): void {
    this.#released.resolve();
  }

  async request(...request: Parameters<FleetConnection["request"]>) {
    if (request[0] === SUBJECT) {
      this.#stopped.resolve();
      await this.#released.promise;
    }
    return await this.stream.request(...request);
  }

  /** The text of all blocks (shipped parts of the log) that the stream has stored. */
  get text(): string {
    return this.stream.stored.map(({ data }) => new TextDecoder().decode(data)).join("");
  }
}

/** Returns the names of the archives of a log, oldest first. */
function archivesOf(path: string): string[] {
  return [...Deno.readDirSync(dirname(path))].map(({ name }) => name)
    .filter((name) => name.endsWith(".gz")).sort();
}

/**
 * Returns the lines of the file audit.shipped.jsonl, which states for each fleet up to which archive the log is
 * shipped.
 */
function shippedOf(path: string): Record<string, unknown>[] {
  const { shipped } = new LogDirectory(denoFileSystem, path).files;
  return Deno.readTextFileSync(shipped).split("\n").slice(0, -1).map((line) => JSON.parse(line));
}

/** The outcome of a shipper on a slow network while a writer rotates the log six times. */
interface Outcome {
  readonly logged: string;
  readonly network: SlowNetwork;
  readonly report: ShipReport;
  readonly warnings: readonly string[];
  /**
   * The names of the archives before the network is released, and after everything is shipped and the log is rotated
   * once more.
   */
  readonly archives: readonly [waiting: readonly string[], shipped: readonly string[]];
  readonly lines: readonly Record<string, unknown>[];
}

async function shipSlowly(retention: RetentionPolicy): Promise<Outcome> {
  using dir = tempDir();
  const path = dir.path("audit.jsonl");
  const { logger, warnings } = gathering();
  await using log = await AuditLog.open({ path, retention, logger });
  await log.recovery;
  const texts: string[] = [];
  const fill = async () => {
    for (let n = 0; n < 3; n++) await log.log("nav", { n, segment: texts.length });
    await log.flush();
    texts.push(Deno.readTextFileSync(path));
    await log.rotate();
  };
  await log.log("nav", { n: 0, segment: "first" });
  await log.flush();
  const connection = new SlowNetwork();
  const shipping = ship({ ...PLAIN, connection, path });
  await connection.stopped;
  for (let segment = 0; segment < 5; segment++) await fill();
  const waiting = archivesOf(path);
  connection.release();
  const first = await shipping;
  const second = await ship({ ...PLAIN, connection, path });
  const lines = existsShipped(path) ? shippedOf(path) : [];
  await fill();
  await ship({ ...PLAIN, connection, path });
  await log.close();
  const report = { ...second, gaps: [...first.gaps, ...second.gaps] };
  const archives = [waiting, archivesOf(path)] as const;
  return { logged: texts.join(""), network: connection, report, warnings, archives, lines };
}

function existsShipped(path: string): boolean {
  return denoFileSystem.status(new LogDirectory(denoFileSystem, path).files.shipped) !== null;
}

Deno.test("ship() over a slow network ships every archive if retention waits for it", async () => {
  const retention = { maxArchives: 2, untilShipped: { maxBytes: 1e6 } };
  const { logged, network, report, warnings, archives, lines } = await shipSlowly(retention);
  assertEquals([report.gaps, warnings], [[], []]);
  assertEquals(network.text, logged);
  const [waiting, shipped] = archives;
  assertEquals([waiting.length, shipped.length], [5, 2]);
  const [{ ts, position, ...line } = {}, ...others] = lines;
  const expected = { v: 1, stream: "AUDIT", ...FLEET, archive: waiting.at(-1) };
  assertEquals([line, others], [expected, []]);
  assert(Number(position) > 0 && !Number.isNaN(Date.parse(String(ts))));
});

Deno.test("ship() over a slow network misses the archives that retention deletes if retention does not wait for it", async () => {
  const { logged, network, report, archives } = await shipSlowly({ maxArchives: 2 });
  assertEquals(archives.map((names) => names.length), [2, 2]);
  assertEquals(report.gaps.length, 1);
  assert(network.text !== logged);
});

Deno.test("ship() over a slow network misses archives, and the writer warns, if the waiting archives exceed the limit of untilShipped", async () => {
  const retention = { maxArchives: 2, untilShipped: { maxBytes: 0 } };
  const { report, warnings, archives } = await shipSlowly(retention);
  assertEquals(archives.map((names) => names.length), [2, 2]);
  assertEquals([report.gaps.length, warnings.length], [1, 1]);
  assert(
    warnings[0]!.includes("fleet f has not received it as log a in stream AUDIT"),
    warnings[0],
  );
});

Deno.test("ship() records the newest archive that each of two fleets has received", async () => {
  using dir = tempDir();
  const path = dir.path("audit.jsonl");
  const retention = { maxArchives: 1, untilShipped: { maxBytes: 1e6 } };
  await using log = await AuditLog.open({ path, retention, logger: silent });
  await log.recovery;
  const fill = async () => {
    await log.log("nav");
    await log.rotate();
  };
  const shipTo = (fleet: string, connection: FleetConnection) =>
    ship({ ...PLAIN, connection, fleet, path });
  const [one, two] = [SimulatedStream.faultless(), SimulatedStream.faultless()];
  await fill();
  await shipTo("one", one);
  await shipTo("two", two);
  for (let n = 0; n < 3; n++) await fill();
  await shipTo("one", one);
  await fill();
  // The fleet "two" has received only the first archive, which retention has deleted. The other four archives wait for
  // it.
  assertEquals(archivesOf(path).length, 4);
  assertEquals(shippedOf(path).map(({ fleet }) => fleet), ["two", "one"]);
  await shipTo("two", two);
  await shipTo("one", one);
  await fill();
  await log.close();
  assertEquals(archivesOf(path).length, 1);
});

Deno.test("ship() writes its line in audit.shipped.jsonl again if the file is empty or the stream is new, but not if the file is damaged", async () => {
  using dir = tempDir();
  const path = dir.path("audit.jsonl");
  const retention = { maxArchives: 9, untilShipped: { maxBytes: 1e6 } };
  await using log = await AuditLog.open({ path, retention, logger: silent });
  const connection = SimulatedStream.faultless();
  const { logger, warnings } = gathering();
  const once = { ...PLAIN, connection, path, logger };
  await log.log("nav");
  await log.rotate();
  await ship(once);
  const [line] = shippedOf(path);
  assertEquals(line?.["archive"], archivesOf(path)[0]);
  const file = dir.path("audit.shipped.jsonl");
  Deno.writeTextFileSync(file, '{"v":1,"stre');
  await ship(once);
  assertEquals(Deno.readTextFileSync(file), '{"v":1,"stre');
  assertEquals(warnings.length, 1);
  assert(warnings[0]!.includes("line 1 is invalid"), warnings[0]);
  Deno.removeSync(file);
  await ship(once);
  assertEquals(denoFileSystem.status(file), null);
  Deno.writeTextFileSync(file, "");
  await ship(once);
  assertEquals(shippedOf(path).map(({ archive }) => archive), [line?.["archive"]]);
  assertEquals(warnings.length, 1);
  // A stream that has lost its messages receives the log again from the start, so no archive counts as received any
  // more.
  connection.stored.length = 0;
  const network = new SlowNetwork(connection);
  const controller = new AbortController();
  const shipping = ship({ ...once, connection: network, signal: controller.signal });
  await network.stopped;
  assertEquals(shippedOf(path).map(({ archive }) => archive), [null]);
  controller.abort();
  network.release();
  await shipping;
});

const dir = tempDir();
Deno.test.afterAll(() => dir[Symbol.dispose]());

/** Creates a log whose retention waits for shippers, and returns its path. No writer has the log open. */
async function closedLog(name: string): Promise<string> {
  const path = dir.path(`${name}/audit.jsonl`);
  const retention = { maxArchives: 1, untilShipped: { maxBytes: 1e6 } };
  await using log = await AuditLog.open({ path, retention, logger: silent });
  await log.log("nav");
  await log.rotate();
  return path;
}

// The test has no write permission, so it cannot create the log itself.
const readOnlyPath = await closedLog("read only");
Deno.test({
  name: "ship() without the permission to write ships the log, and names the missing flag once",
  permissions: { read: true, write: false },
  async fn() {
    const connection = SimulatedStream.faultless();
    const { logger, warnings } = gathering();
    const { blocks, gaps } = await ship({
      ...FLEET,
      connection,
      path: readOnlyPath,
      once: true,
      logger,
    });
    assertEquals([blocks, gaps, shippedOf(readOnlyPath)], [1, [], []]);
    assertEquals(warnings.length, 1);
    const flag = pathFlag("write", dirname(readOnlyPath));
    assert(warnings[0]!.includes(`run again with ${flag}`), warnings[0]);
  },
});

Deno.test("ship() records the archives that it has shipped, even if no writer has the log open", async () => {
  const path = await closedLog("closed");
  await ship({ ...PLAIN, connection: SimulatedStream.faultless(), path });
  assertEquals(shippedOf(path).map(({ archive }) => archive), archivesOf(path));
});
