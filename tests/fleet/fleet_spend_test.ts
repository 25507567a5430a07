import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { dirname, join } from "@std/path";
import { AuditLog } from "@vivarium/scout";
import {
  createFleetStream,
  FleetServerError,
  type FleetSpend,
  fleetSpend,
  type FleetSpendOptions,
  ship,
  type ShipOptions,
} from "@vivarium/scout/fleet";
import { silent } from "../loggers.ts";
import { NatsServer, natsTest } from "./nats_server.ts";
import { Scene } from "./scene.ts";

const HOUR_MS = 3_600_000;
const START = Date.UTC(2026, 1, 13, 14);

/** Creates a fleet whose machines, and the guard that reads their spend, share one simulated clock. */
async function fleet() {
  const stack = new AsyncDisposableStack();
  const { server, connection, path } = stack.use(await Scene.of(NatsServer.start()));
  let nowMs = START;
  const now = () => nowMs;
  const pathOf = (log: string) => join(dirname(path), log, "audit.jsonl");
  return {
    server,
    connection,
    now,
    pathOf,
    /** Sets the clock. */
    at(ms: number): void {
      nowMs = ms;
    },
    /** Logs one event for each cost, and advances the clock by `stepMs` after each event. */
    async spend(log: string, costs: readonly number[], stepMs = 0): Promise<void> {
      await using writer = await AuditLog.open({ path: pathOf(log), now, logger: silent });
      for (const cost of costs) {
        // The headers of a message must be able to hold an event type with any characters.
        await writer.log("Größe: 東京 😀", { cost });
        nowMs += stepMs;
      }
    },
    async ship(log: string, options: Partial<ShipOptions> = {}): Promise<void> {
      const place = {
        connection,
        fleet: "f",
        log,
        path: pathOf(log),
        logger: silent,
        timeoutSec: 1,
      };
      await ship({ ...place, once: true, ...options });
    },
    async follow(options: Partial<FleetSpendOptions> = {}): Promise<Followed> {
      return await Followed.of({ connection, fleet: "f", now, ...options }, stack);
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** A reader of a fleet's spend that receives new costs, with a method that waits until the spend reaches an amount. */
class Followed {
  #told = Promise.withResolvers<void>();
  spend!: FleetSpend;

  static async of(options: FleetSpendOptions, stack: AsyncDisposableStack): Promise<Followed> {
    const followed = new Followed();
    const onChange = () => {
      followed.#told.resolve();
      followed.#told = Promise.withResolvers();
    };
    followed.spend = stack.use(await fleetSpend({ ...options, onChange }));
    return followed;
  }

  /** Resolves when the spend is `usd`. */
  async reaches(usd: number, hours?: number): Promise<void> {
    while (this.spend.usd(hours) !== usd) await this.#told.promise;
  }
}

await natsTest("fleetSpend() counts shipped costs and follows new costs", async () => {
  await using of = await fleet();
  await of.spend("a", [0.25, 0.5]);
  await of.spend("b", [1]);
  await of.ship("a");
  await of.ship("b");
  const all = await of.follow();
  const one = await of.follow({ log: "b" });
  assertEquals([all.spend.usd(), one.spend.usd(), all.spend.gaps], [1.75, 1, []]);
  for (let n = 1; n <= 20; n++) {
    await of.spend("b", [0.125]);
    await of.ship("b");
    await Promise.all([all.reaches(1.75 + n / 8), one.reaches(1 + n / 8)]);
  }
  assertEquals([all.spend.usd(0), all.spend.silentMs < 60_000], [0, true]);
});

await natsTest(
  "fleetSpend() sums up any number of hours exactly, even if they start between two events of one block",
  async () => {
    await using of = await fleet();
    // The costs are half an hour apart, and the last one is logged now.
    await of.spend("a", [1, 2, 4, 8, 16, 32], HOUR_MS / 2);
    of.at(START + 2.5 * HOUR_MS);
    await of.ship("a");
    const { spend } = await of.follow({ maxHours: 3 });
    assertEquals([0.4, 1, 1.4, 2.5, 3].map((hours) => spend.usd(hours)), [32, 56, 56, 63, 63]);
    of.at(START + 3.2 * HOUR_MS);
    assertEquals([spend.usd(0.5), spend.usd(1), spend.usd(3)], [0, 32, 62]);
    assertThrows(() => spend.usd(4), RangeError, "at most maxHours (3), got 4");
    assertThrows(() => spend.usd(NaN), RangeError, "hours must be a number, got NaN");
  },
);

await natsTest(
  "fleetSpend() counts an event of a clock ten minutes ahead at once, and ignores old events",
  async () => {
    await using of = await fleet();
    await of.spend("old", [100]);
    of.at(START + 30 * HOUR_MS);
    await of.spend("ahead", [1]);
    of.at(START + 40 * HOUR_MS);
    await of.spend("far-ahead", [10]);
    for (const log of ["old", "ahead", "far-ahead"]) await of.ship(log);
    of.at(START + 30 * HOUR_MS - 10 * 60_000);
    const { spend } = await of.follow();
    assertEquals([spend.usd(), spend.usd(24)], [1, 1]);
    of.at(START + 40 * HOUR_MS);
    assertEquals([spend.usd(), spend.usd(24)], [10, 11]);
  },
);

await natsTest(
  "fleetSpend() counts each cost once, even if a line is split between two messages or the stream is created again",
  async () => {
    await using of = await fleet();
    const followed = await of.follow();
    await of.spend("a", [0.5]);
    {
      await using writer = await AuditLog.open({
        path: of.pathOf("a"),
        now: of.now,
        logger: silent,
      });
      await writer.log("long", { cost: 0.25, reason: "x".repeat(5_000) });
      await writer.log("nav", { cost: 2 });
    }
    await of.ship("a", { blockBytes: 1_000, encoding: "identity" });
    await followed.reaches(2.75);
    await of.connection.request("$JS.API.STREAM.DELETE.AUDIT");
    await createFleetStream({ connection: of.connection });
    await of.ship("a");
    await of.spend("a", [4]);
    await of.ship("a");
    await followed.reaches(6.75);
    const again = await of.follow();
    assertEquals([again.spend.usd(), again.spend.gaps, followed.spend.gaps], [6.75, [], []]);
  },
);

await natsTest(
  "fleetSpend() still returns the spend while the server is down, and continues after the restart",
  async () => {
    await using of = await fleet();
    const followed = await of.follow();
    await of.spend("a", [1]);
    await of.ship("a");
    await followed.reaches(1);
    for (let kill = 1; kill <= 3; kill++) {
      await of.server.kill();
      assertEquals(followed.spend.usd(), kill);
      await of.server.restart();
      await of.spend("a", [1]);
      await of.ship("a");
      await followed.reaches(kill + 1);
    }
  },
);

await natsTest(
  "fleetSpend() sums up any number of hours exactly, even if costs cancel each other out",
  async () => {
    await using of = await fleet();
    // This library rejects a negative cost, but other programs may write negative costs.
    const lines = [-5, 0, 5].map((cost, hour) =>
      `${JSON.stringify({ ts: new Date(START + hour * HOUR_MS).toISOString(), cost })}\n`
    );
    Deno.mkdirSync(dirname(of.pathOf("a")));
    Deno.writeTextFileSync(of.pathOf("a"), lines.join(""));
    of.at(START + 2.5 * HOUR_MS);
    await of.ship("a");
    const { spend } = await of.follow();
    assertEquals([spend.usd(1), spend.usd(2), spend.usd(3)], [5, 5, 0]);
  },
);

await natsTest("fleetSpend() reports each range of missing bytes exactly", async () => {
  await using of = await fleet();
  const path = of.pathOf("a");
  await of.spend("a", [1]);
  await of.ship("a");
  const followed = await of.follow();
  const from = Deno.statSync(path).size;
  await of.spend("a", [2]);
  const to = Deno.statSync(path).size;
  {
    await using writer = await AuditLog.open({ path, now: of.now, logger: silent });
    await writer.rotate();
  }
  const archives = [...Deno.readDirSync(dirname(path))].filter(({ name }) => name.endsWith(".gz"));
  for (const { name } of archives) Deno.removeSync(join(dirname(path), name));
  await of.spend("a", [4]);
  await of.ship("a");
  await followed.reaches(5);
  assertEquals([archives.length, followed.spend.gaps], [1, [{ log: "a", from, to }]]);
});

await natsTest(
  "FleetSpend.usd() throws after close(), and after its connection to the server was closed",
  async () => {
    await using of = await fleet();
    await of.spend("a", [1]);
    await of.ship("a");
    const followed = await of.follow();
    assertEquals(followed.spend.usd(), 1);
    await followed.spend.close();
    assertThrows(() => followed.spend.usd(), Error, "the FleetSpend is closed");

    const connection = await of.server.connect();
    const failing = await of.follow({ connection });
    assertEquals(failing.spend.usd(), 1);
    await connection.close();
    const failed = await assertRejects(
      () => failing.reaches(2),
      Error,
      "following the fleet has failed",
    );
    assertEquals((failed.cause as Error).name, "ClosedConnectionError");
    await of.connection.request("$JS.API.STREAM.DELETE.AUDIT");
    await assertRejects(() => of.follow(), FleetServerError, "stream not found");
  },
);
