import { assertEquals, assertRejects } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { AuditLog } from "@vivarium/scout";
import { createFleetStream, fleetEvents, ship } from "@vivarium/scout/fleet";
import { silent } from "../loggers.ts";
import { tempDir } from "../temp_dir.ts";
import { NatsServer, natsTest } from "./nats_server.ts";

const CONFIG = fromFileUrl(new URL("../../examples/nats/fleet.conf", import.meta.url));

await natsTest(
  "The users of fleet.conf may ship one log or read the fleet, and nothing else",
  async () => {
    using dir = tempDir();
    const path = dir.path("audit.jsonl");
    await using log = await AuditLog.open({ path });
    await log.log("nav", { n: 1 });
    await using server = await NatsServer.start(["-c", CONFIG]);
    const operator = await server.connect("operator");
    await createFleetStream({ connection: operator });

    const machine = await server.connect("machine-1");
    const own = { connection: machine, fleet: "mine", log: "machine-1", path, logger: silent };
    assertEquals((await ship({ ...own, once: true })).blocks, 1);
    await log.log("nav", { n: 2 });
    assertEquals((await ship({ ...own, once: true })).blocks, 1);
    await assertRejects(
      () => ship({ ...own, log: "machine-2", once: true }),
      Error,
      "Permissions Violation",
    );
    await assertRejects(
      () => createFleetStream({ connection: machine }),
      Error,
      "Permissions Violation",
    );

    const reader = await server.connect("reader");
    const events = await Array.fromAsync(fleetEvents({ connection: reader, fleet: "mine" }));
    assertEquals(events.map(({ scout_log, n }) => [scout_log, n]), [["machine-1", 1], [
      "machine-1",
      2,
    ]]);
    const asReader = { ...own, connection: reader };
    await assertRejects(() => ship({ ...asReader, once: true }), Error, "Permissions Violation");
    for (const connection of [operator, machine, reader]) await connection.close();
  },
);
