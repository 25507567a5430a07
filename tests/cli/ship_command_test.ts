import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { CommandResult } from "../run_command.ts";
import { programArgs, runProgram } from "../run_program.ts";
import { NatsServer, natsTest } from "../fleet/nats_server.ts";
import { shippedOf } from "../fleet/shipped.ts";
import { logWith, MAIN } from "./run_cli.ts";

const EVENTS = [1, 2, 3].map((n) => ({ ts: "2026-02-13T14:00:00.000Z", event: "nav", n }));

/** Returns the arguments of `scout ship`, and exactly the permission flags that the command needs. */
function shipping(log: ReturnType<typeof logWith>, server: NatsServer, ...args: string[]) {
  const dir = log.dir.path("").replace(/\/$/, "");
  const address = `127.0.0.1:${server.port}`;
  const names = ["--server", address, "--fleet", "f", "--log", "a"];
  return {
    dir,
    args: ["ship", "--path", log.path, ...names, ...args],
    flags: [`--allow-read=${dir}`, `--allow-net=${address}`],
  };
}

function shipOnce(
  log: ReturnType<typeof logWith>,
  server: NatsServer,
  ...args: string[]
): Promise<CommandResult> {
  return runProgram(MAIN, shipping(log, server, "--once", ...args));
}

await natsTest(
  "scout ship --once ships the log, creates the stream with --create-stream, and reports the position",
  async () => {
    await using server = await NatsServer.start();
    using log = logWith(...EVENTS);
    const text = Deno.readTextFileSync(log.path);
    const { length } = text;
    const first = await shipOnce(log, server, "--create-stream");
    assertEquals([first.code, first.stderr], [0, ""]);
    assertEquals(
      first.stdout,
      `Shipped ${length} bytes in 1 block, up to byte ${length} of ${length}\n`,
    );
    const again = await shipOnce(log, server, "--json");
    assertEquals([again.code, again.stderr], [0, ""]);
    assertEquals(JSON.parse(again.stdout), {
      path: log.path,
      position: length,
      end: length,
      blocks: 0,
      bytes: 0,
      gaps: [],
    });
    Deno.writeTextFileSync(log.path, text, { append: true });
    const plain = await shipOnce(log, server, "--encoding", "identity", "--interval", "60");
    assertEquals([plain.code, plain.stderr], [0, ""]);
    const connection = await server.connect();
    assertEquals((await shippedOf(connection, "a")).text, text + text);
    await connection.close();
  },
);

await natsTest("scout ship ships new events until Ctrl-C", async () => {
  await using server = await NatsServer.start();
  using log = logWith(...EVENTS);
  const connection = await server.connect();
  const stored = connection.subscribe("audit.f.a");
  const options = shipping(log, server, "--create-stream");
  const process = new Deno.Command(Deno.execPath(), {
    args: programArgs(MAIN, options),
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let blocks = 0;
  for await (const _ of stored) {
    if (++blocks === 2) break;
    Deno.writeTextFileSync(log.path, '{"event":"later"}\n', { append: true });
  }
  process.kill("SIGINT");
  const { code, stdout, stderr } = await process.output();
  assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
  assertMatch(
    new TextDecoder().decode(stdout),
    /^Shipped \d+ bytes in [12] blocks?, up to byte \d+ of \d+\n$/,
  );
  await connection.close();
});

await natsTest("scout ship reports each error in one line", async () => {
  await using server = await NatsServer.start();
  using log = logWith(...EVENTS);
  assertEquals((await shipOnce(log, server, "--create-stream")).code, 0);
  using other = logWith(EVENTS[0]!);
  const mismatch = await shipOnce(other, server);
  assertEquals([mismatch.code, mismatch.stdout], [1, ""]);
  assertMatch(
    mismatch.stderr,
    /^scout: Cannot ship log: the stream holds a different log .*\n$/,
  );
  const name = await shipOnce(log, server, "--fleet", "a.b");
  assertEquals(name.code, 2);
  const { args, dir, flags } = shipping(log, server, "--once");
  const forbidden = await runProgram(MAIN, { dir, args, flags: flags.slice(0, 1) });
  assertEquals(forbidden.code, 2);
  assertStringIncludes(forbidden.stderr, `run again with --allow-net=127.0.0.1:${server.port}`);
  await server.kill();
  const away = await shipOnce(log, server);
  assertEquals(away.code, 1);
  assertStringIncludes(away.stderr, "scout: Cannot connect to 127.0.0.1:");
  await server.restart();
});
