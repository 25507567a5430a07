import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { headers } from "@nats-io/nats-core";
import { dirname, join } from "@std/path";
import { accuracyMetrics, AuditLog, AuditReader } from "@vivarium/scout";
import {
  createFleetStream,
  type FleetEvent,
  fleetEvents,
  fleetStatus,
  FleetTimeoutError,
  ship,
} from "@vivarium/scout/fleet";
import { renderReport } from "@vivarium/scout/report";
import { messagesOf } from "../../src/fleet/block_message.ts";
import { fleetEventsBy } from "../../src/fleet/fleet_events.ts";
import { LogProgress } from "../../src/fleet/log_progress.ts";
import { MAX_LINE_BYTES } from "../../src/options/log_options.ts";
import { subjectOf } from "../../src/fleet/fleet_stream.ts";
import { silent } from "../loggers.ts";
import { passingClock } from "./clocks.ts";
import { NatsServer, natsTest } from "./nats_server.ts";
import { Scene } from "./scene.ts";

const START = Date.UTC(2026, 1, 13, 14);
const encoder = new TextEncoder();

/** Starts a server with the stream of a fleet, and connects to it. */
async function fleet() {
  const scene = await Scene.of(NatsServer.start());
  const { server, connection } = scene;
  const dir = dirname(scene.path);
  return {
    server,
    connection,
    /** Writes the log of a machine and ships it. */
    async shipLog(log: string, events: number): Promise<string> {
      const path = join(dir, log, "audit.jsonl");
      let n = 0;
      {
        const now = () => START + n * 60_000;
        await using writer = await AuditLog.open({ path, now, sessionId: log, logger: silent });
        for (; n < events; n++) {
          if (n === events >> 1) await writer.rotate();
          await writer.log(n % 4 === 3 ? "validation_fail" : "nav", { n, cost: 0.25, log });
        }
      }
      await ship({ connection, fleet: "f", log, path, once: true, blockBytes: 1_000 });
      return path;
    },
    /**
     * Stores a block, a message with a part of a log, whose data is `text`. The headers state the length and the digest
     * of `as`, so a test can store a damaged block.
     */
    async store(log: string, { from, text, isContinued = false, isCut = false, as = text }: {
      from: number;
      text: string;
      isContinued?: boolean;
      isCut?: boolean;
      as?: string;
    }): Promise<void> {
      const bytes = encoder.encode(as);
      const block = { from, to: from + bytes.byteLength, bytes, isContinued, isCut };
      const sending = { shipper: "s", logEnd: 0, encoding: "identity", dataBytesMax: 1e6 } as const;
      const fields = headers();
      for await (const message of messagesOf(ReadableStream.from([block]), sending)) {
        for (const [name, value] of message.headers) fields.set(name, value);
      }
      const options = { timeout: 5_000, headers: fields };
      await connection.request(subjectOf("f", log), encoder.encode(text), options);
    },
    [Symbol.asyncDispose]: () => scene[Symbol.asyncDispose](),
  };
}
function numbersOf(events: readonly FleetEvent[]): unknown[] {
  return events.map(({ scout_log, n }) => `${scout_log}${n}`);
}

await natsTest(
  "fleetEvents() yields the events of all logs, of one log, or matching events, each with the name of its log",
  async () => {
    await using of = await fleet();
    const paths = [await of.shipLog("a", 40), await of.shipLog("b", 30)];
    const options = { connection: of.connection, fleet: "f" };
    const query = fleetEvents(options);
    const events = await Array.fromAsync(query);
    assertEquals([events.length, query.gaps], [70, []]);
    for (const [index, log] of ["a", "b"].entries()) {
      await using reader = await AuditReader.open({ path: paths[index]!, logger: silent });
      const local = (await reader.query().toArray()).map((event) => ({ ...event, scout_log: log }));
      assertEquals(events.filter(({ scout_log }) => scout_log === log), local);
      assertEquals(await Array.fromAsync(fleetEvents({ ...options, log })), local);
    }
    const some = await Array.fromAsync(fleetEvents({
      ...options,
      eventType: "validation_fail",
      sessionId: "b",
      since: START + 600_000,
      until: START + 1_200_000,
      where: ({ n }) => n !== 15,
    }));
    assertEquals(numbersOf(some), ["b11", "b19"]);
    assertEquals((await accuracyMetrics(fleetEvents(options))).totalNav, 53);
    const page = await renderReport(fleetEvents(options));
    assertEquals(/<b id="usd">([^<]*)</.exec(page)![1], "$17.50");
  },
);

await natsTest(
  "fleetEvents() follows shipped events until its signal is aborted or the loop breaks",
  async () => {
    await using of = await fleet();
    const controller = new AbortController();
    const options = { connection: of.connection, fleet: "f", follow: true };
    const seen: unknown[] = [];
    const following = (async () => {
      for await (const { n } of fleetEvents({ ...options, signal: controller.signal })) {
        if (seen.push(n) === 30) controller.abort(new Error("enough"));
      }
    })();
    await of.shipLog("a", 20);
    await of.shipLog("b", 20);
    await assertRejects(() => following, Error, "enough");
    assertEquals(seen.length, 30);
    for await (const { n } of fleetEvents(options)) if (n === 5) break;
  },
);

await natsTest(
  "fleetEvents() skips duplicate blocks and overlapping bytes, and reports each gap (range of missing bytes) exactly",
  async () => {
    await using of = await fleet();
    const lines = ["a", "bb", "ccc", "dddd", "eeeee", "ffffff"].map((event) =>
      `{"event":"${event}"}\n`
    );
    const at = lines.map((_, n) => lines.slice(0, n).join("").length);
    const from = (n: number, to: number) => ({ from: at[n]!, text: lines.slice(n, to).join("") });
    await of.store("x", from(0, 2));
    await of.store("x", from(0, 1));
    await of.store("x", from(1, 3));
    await of.store("x", { ...from(4, 5), text: lines[4]!.slice(0, 5), isCut: true });
    await of.store("x", { from: at[4]! + 5, text: lines[4]!.slice(5), isContinued: true });
    await of.store("x", { ...from(5, 6), as: lines[5]!.replace("f", "g") });
    await of.store("y", from(1, 2));
    const query = fleetEvents({ connection: of.connection, fleet: "f" });
    const events = await Array.fromAsync(query);
    assertEquals(events.map(({ event }) => event), ["a", "bb", "ccc", "eeeee", "bb"]);
    assertEquals(query.gaps, [
      { log: "x", from: at[3]!, to: at[4]! },
      { log: "x", from: at[5]!, to: at[5]! + lines[5]!.length },
      { log: "y", from: 0, to: at[1]! },
    ]);
    const missing = query.gaps.map(({ log, from, to }) => ({
      ...{ path: log, byteOffset: from, byteLength: to - from },
      reason: "not in the stream",
    }));
    assertEquals(query.damage, missing);
    const status = await fleetStatus({ connection: of.connection, fleet: "f" });
    // fleetStatus() reads only the headers of the messages. So it does not detect a message whose data does not match
    // its headers.
    assertEquals(status.map(({ log, gaps }) => [log, gaps]), [
      ["x", [{ from: at[3]!, to: at[4]! }]],
      ["y", [{ from: 0, to: at[1]! }]],
    ]);
  },
);

await natsTest(
  "fleetEvents() reports damaged lines by log and position, once per iteration",
  async () => {
    await using of = await fleet();
    await of.store("x", { from: 0, text: '{"event":"a"}\n{torn\n' });
    await of.store("x", { from: 20, text: '{"event":"b"}\nnull\n{"event":"c"}\n' });
    const query = fleetEvents({ connection: of.connection, fleet: "f" });
    for (let iteration = 0; iteration < 2; iteration++) {
      assertEquals((await Array.fromAsync(query)).map(({ event }) => event), ["a", "b", "c"]);
      assertEquals(
        query.damage.map(({ path, byteOffset, byteLength }) => [path, byteOffset, byteLength]),
        [["x", 14, 6], ["x", 34, 5]],
      );
    }
    assertStringIncludes(await renderReport(query), "not an object");
  },
);

await natsTest(
  "fleetEvents() skips the remainder of a line if the start of the line is not in the stream",
  async () => {
    await using of = await fleet();
    const long = `{"event":"long","reason":"${"y".repeat(50)}"}\n`;
    const [begin, middle, rest] = [long.slice(0, 20), long.slice(20, 40), long.slice(40)];
    const store = (from: number, text: string, more = {}) => of.store("x", { from, text, ...more });
    await store(0, '{"event":"a"}\n');
    await store(14, begin, { isCut: true });
    await store(34, middle, { isContinued: true, isCut: true });
    await store(54, `${rest}{"event":"b"}\n`, { isContinued: true });
    const options = { connection: of.connection, fleet: "f" };
    const told = async (last: number) => {
      const query = fleetEvents({ ...options, last });
      const events = (await Array.fromAsync(query)).map(({ event }) => event);
      return [events, query.gaps, query.damage];
    };
    // The last message contains the one requested event, so fleetEvents() reads no earlier message.
    assertEquals(await told(1), [["b"], [], []]);
    assertEquals(await told(3), [["a", "long", "b"], [], []]);
    // The start of the line is missing, so its bytes are reported as a gap, and the remainder of the line is not an
    // event.
    await of.store("y", { from: 10, text: middle, isContinued: true, isCut: true });
    await of.store("y", { from: 30, text: `${rest}{"event":"c"}\n`, isContinued: true });
    const query = fleetEvents({ ...options, log: "y" });
    assertEquals((await Array.fromAsync(query)).map(({ event }) => event), ["c"]);
    assertEquals([query.gaps, query.damage.length], [[{ log: "y", from: 0, to: 10 }], 1]);
  },
);

Deno.test("LogProgress keeps only a part of a line that is longer than the maximum in memory", () => {
  const progress = new LogProgress(0, () => {});
  const bytes = new Uint8Array(4 * 1024 * 1024).fill(0x78);
  const facts = {
    shipper: "",
    sha256: "",
    figures: null,
    encoding: "identity",
    logEnd: 0,
  } as const;
  let from = 0;
  for (let block = 0; block < 40; block++) {
    const to = from + bytes.byteLength;
    const isContinued = block > 0;
    assertEquals(progress.take({ ...facts, from, to, isContinued, isCut: true }, bytes), null);
    from = to;
  }
  const end = encoder.encode('"}\n{"event":"next"}\n');
  const to = from + end.byteLength;
  const lines = progress.take({ ...facts, from, to, isContinued: true, isCut: false }, end)!;
  assert(lines.bytes.byteLength <= MAX_LINE_BYTES + bytes.byteLength + end.byteLength);
  assertEquals(lines.from + lines.bytes.byteLength, to);
});

await natsTest(
  "fleetEvents() starts with the last matching events and follows later events",
  async () => {
    await using of = await fleet();
    await of.shipLog("a", 40);
    await of.shipLog("b", 30);
    const options = { connection: of.connection, fleet: "f" };
    const all = numbersOf(await Array.fromAsync(fleetEvents(options)));
    for (const last of [0, 1, 5, 29, 30, 69, 70, 71, Infinity]) {
      const query = fleetEvents({ ...options, last });
      const events = await Array.fromAsync(query);
      assertEquals([numbersOf(events), query.gaps], [last === 0 ? [] : all.slice(-last), []]);
    }
    const some = fleetEvents({ ...options, last: 3, eventType: "validation_fail", log: "a" });
    assertEquals(numbersOf(await Array.fromAsync(some)), ["a31", "a35", "a39"]);
    const seen: unknown[] = [];
    for await (const event of fleetEvents({ ...options, last: 2, follow: true })) {
      seen.push(...numbersOf([event]));
      if (seen.length === 2) await of.shipLog("c", 2);
      if (seen.length === 4) break;
    }
    assertEquals(seen, ["b28", "b29", "c0", "c1"]);
    for (const last of [-1, 1.5, NaN]) {
      assertThrows(() => fleetEvents({ ...options, last }), RangeError, "last");
    }
  },
);

await natsTest(
  "fleetEvents() continues after the server was killed and after the stream was created again",
  async () => {
    await using of = await fleet();
    const path = await of.shipLog("a", 30);
    const seen: unknown[] = [];
    const options = { connection: of.connection, fleet: "f", follow: true, log: "a" };
    const following = (async () => {
      for await (const { n } of fleetEvents(options)) if (seen.push(n) === 35) return;
    })();
    await of.server.kill();
    await of.server.restart();
    while (true) {
      try {
        await of.connection.request("$JS.API.STREAM.DELETE.AUDIT");
        await createFleetStream({ connection: of.connection });
        break;
      } catch (error) {
        // The program has not reconnected to the restarted server yet, so the test tries again.
        if (!(error instanceof Error)) throw error;
      }
    }
    {
      await using log = await AuditLog.open({ path, logger: silent });
      for (let n = 30; n < 35; n++) await log.log("nav", { n });
    }
    await ship({ connection: of.connection, fleet: "f", log: "a", path, once: true });
    await following;
    assertEquals(seen, Array.from({ length: 35 }, (_, n) => n));
  },
);

Deno.test("fleetEvents() and ship() reject invalid names and options, and the message names the option", async () => {
  const connection = { request: () => Promise.reject(new Error("a request was sent")) };
  for (const name of ["", "a.b", "*", "a b", ">", "x".repeat(65)]) {
    assertThrows(() => fleetEvents({ connection, fleet: name }), RangeError, "fleet");
    assertThrows(() => fleetEvents({ connection, fleet: "f", log: name }), RangeError, "log");
    await assertRejects(() => ship({ connection, fleet: "f", log: name }), RangeError, "log");
  }
  assertThrows(() => fleetEvents({ connection, fleet: "f", since: "soon" }), RangeError, "since");
  const shipped = { connection, fleet: "f", log: "a", path: "audit.jsonl" };
  await assertRejects(() => ship({ ...shipped, blockBytes: 0 }), RangeError, "blockBytes");
  await assertRejects(() => ship({ ...shipped, timeoutSec: NaN }), RangeError, "timeoutSec");
  await assertRejects(() => ship({ ...shipped, intervalSec: -1 }), RangeError, "intervalSec");
  const encoding = "zip" as "gzip";
  await assertRejects(() => ship({ ...shipped, encoding }), RangeError, 'encoding must be "gzip"');
});

Deno.test("fleetEvents() waits a minute for the server, then throws a FleetTimeoutError", async () => {
  let [nowMs, asked] = [0, 0];
  const clock = passingClock((passedMs) => nowMs = passedMs);
  const request = () => {
    asked++;
    return Promise.reject(new Error("timeout"));
  };
  const query = fleetEventsBy(clock, { connection: { request }, fleet: "f" });
  await assertRejects(
    () => Array.fromAsync(query),
    FleetTimeoutError,
    "Cannot read stream AUDIT: the server does not respond: timeout",
  );
  assertEquals([asked > 100, nowMs > 60_000, nowMs < 61_000], [true, true, true]);
});
