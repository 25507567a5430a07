import { assert, assertEquals, assertMatch } from "@std/assert";
import { TextLineStream } from "@std/streams";
import { AuditLog } from "@vivarium/scout";
import { createFleetStream } from "@vivarium/scout/fleet";
import { silent } from "../loggers.ts";
import { exampleOf } from "../run_example.ts";
import { programArgs, runProgram } from "../run_program.ts";
import { tempDir } from "../temp_dir.ts";
import { NatsServer, natsTest } from "./nats_server.ts";
import { shippedOf, textOfLog } from "./shipped.ts";

/** Returns the path of an example and the flags of its shebang, with the port of the server replaced. */
function exampleFor(name: string, server: NatsServer): { program: string; flags: string[] } {
  const { program, flags } = exampleOf(name);
  return { program, flags: flags.map((flag) => flag.replace(":4222", `:${server.port}`)) };
}

await natsTest(
  "fleet.ts stops four machines when they have spent their shared budget",
  async () => {
    await using server = await NatsServer.start();
    using dir = tempDir();
    const { program, flags } = exampleFor("fleet.ts", server);
    const args = ["0.2", `127.0.0.1:${server.port}`];
    const options = { dir: "", args, flags, cwd: dir.path("") };
    const { code, stdout, stderr } = await runProgram(program, options);
    assertEquals([code, stderr], [0, ""]);
    const [stopped = "", ...lines] = stdout.trimEnd().split("\n");
    assertMatch(stopped, /^stopped: 0\.\d+ of 0\.2000 USD spent$/);
    assertEquals(lines.at(-1), "missing: nothing");
    const spent = lines.slice(0, -1).map((line) => /^(machine-\d): (\d\.\d+) USD$/.exec(line)!);
    assertEquals(
      spent.map(([, machine]) => machine),
      ["machine-1", "machine-2", "machine-3", "machine-4"],
    );
    // No machine alone has spent the budget, but all machines together have, so only the shared sum can have stopped
    // them.
    const usd = spent.map(([, , usd]) => Number(usd));
    assert(usd.every((spent) => spent < 0.2) && usd.reduce((sum, usd) => sum + usd) > 0.2, stdout);
  },
);

await natsTest(
  "fleet_sidecar.ts ships the log of a running writer, including the last lines before fleet_sidecar.ts exits",
  async () => {
    await using server = await NatsServer.start();
    const connection = await server.connect();
    await createFleetStream({ connection });
    using dir = tempDir();
    const path = dir.path(".demo/machine-1/audit.jsonl");
    await using log = await AuditLog.open({ path, rotationSizeBytes: 2_000, logger: silent });
    const { program, flags } = exampleFor("fleet_sidecar.ts", server);
    const args = ["machine-1", ".demo/machine-1/audit.jsonl", `127.0.0.1:${server.port}`];
    const process = new Deno.Command(Deno.execPath(), {
      args: programArgs(program, { dir: "", args, flags }),
      cwd: dir.path(""),
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const lines = process.stdout.pipeThrough(new TextDecoderStream())
      .pipeThrough(new TextLineStream()).getReader();
    const stored = connection.subscribe("audit.mine.machine-1")[Symbol.asyncIterator]();
    assertEquals((await lines.read()).value, "shipping .demo/machine-1/audit.jsonl");
    for (let n = 0; n < 100; n++) await log.log("nav", { n });
    await stored.next();
    for (let n = 0; n < 100; n++) await log.log("last", { n });
    await log.flush();
    process.kill("SIGTERM");
    const { length } = textOfLog(path);
    assertEquals((await lines.read()).value, `shipped ${length} of ${length} bytes, 0 gaps`);
    assertEquals((await process.status).code, 0);
    await lines.cancel();
    const { text } = await shippedOf(connection, "machine-1", "mine");
    assertEquals(text === textOfLog(path), true);
    await connection.close();
  },
);
