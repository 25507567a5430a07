import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { dirname, fromFileUrl } from "@std/path";
import { connect } from "@nats-io/transport-node";
import { TextLineStream } from "@std/streams";
import { AuditLog } from "@vivarium/scout";
import { createFleetStream, ship } from "@vivarium/scout/fleet";
import { freePort, NatsServer, natsTest } from "../fleet/nats_server.ts";
import { silent } from "../loggers.ts";
import { type CommandResult, runCommand } from "../run_command.ts";
import { programArgs, runProgram } from "../run_program.ts";
import { type TempDir, tempDir } from "../temp_dir.ts";
import { MAIN } from "./run_cli.ts";

const START = Date.UTC(2026, 1, 13, 14);

/** A server, and logs that were shipped to the server. Commands have only the permission to connect to the server. */
class Scene implements AsyncDisposable {
  readonly server: NatsServer;
  readonly dir: TempDir = tempDir();

  private constructor(server: NatsServer) {
    this.server = server;
  }

  static async start(): Promise<Scene> {
    const scene = new Scene(await NatsServer.start());
    const connection = await scene.server.connect();
    await createFleetStream({ connection });
    await connection.close();
    return scene;
  }

  /** Appends events to a log, with times a minute apart, and ships the log. */
  async ship(log: string, ...events: readonly (readonly [string, object])[]): Promise<void> {
    const path = this.dir.path(`${log}/audit.jsonl`);
    let n = 0;
    {
      const now = () => START + n++ * 60_000;
      await using writer = await AuditLog.open({ path, now, sessionId: log, logger: silent });
      for (const [event, fields] of events) await writer.log(event, { ...fields });
    }
    const connection = await this.server.connect();
    await ship({ connection, fleet: "f", log, path, once: true, logger: silent });
    await connection.close();
  }

  options(command: string, args: readonly string[], flags: readonly string[]) {
    const address = `127.0.0.1:${this.server.port}`;
    return {
      dir: this.dir.path(""),
      args: ["fleet", command, "--server", address, "--fleet", "f", "--tz", "UTC", ...args],
      flags: [`--allow-net=${address}`, ...flags],
    };
  }

  run(
    command: string,
    args: readonly string[] = [],
    flags: readonly string[] = [],
  ): Promise<CommandResult> {
    return runProgram(MAIN, this.options(command, args, flags));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
    this.dir[Symbol.dispose]();
  }
}

/** Returns the standard output of a command. Checks that the command succeeds without messages. */
function outputOf({ code, stdout, stderr }: CommandResult): string {
  assertEquals([code, stderr], [0, ""]);
  return stdout;
}

function twoMachines(scene: Scene): Promise<void> {
  return scene.ship("a", ["nav", { cost: 0.25, n: 1 }], ["brief", { cost: 1, n: 2 }])
    .then(() => scene.ship("b", ["nav", { cost: 0.5, n: 3 }], ["nav", { n: 4 }]));
}

await natsTest(
  "scout fleet query and tail show the events of all logs, or only the events that match",
  async () => {
    await using scene = await Scene.start();
    await twoMachines(scene);
    const numbersOf = (stdout: string) =>
      stdout.trimEnd().split("\n").map((line) => JSON.parse(line)).map(({ scout_log, n }) =>
        `${scout_log}${n}`
      );
    assertEquals(
      outputOf(await scene.run("query", ["--limit", "1"])),
      "2026-02-13 14:00:00.000  nav  $0.25  n=1  scout_log=a\n",
    );
    const numbers = async (command: string, ...args: string[]) =>
      numbersOf(outputOf(await scene.run(command, ["--json", ...args])));
    assertEquals(await numbers("query"), ["a1", "a2", "b3", "b4"]);
    assertEquals(await numbers("query", "--desc", "--limit", "2"), ["b4", "b3"]);
    assertEquals(await numbers("query", "--log", "a", "--desc"), ["a2", "a1"]);
    const since = ["--since", "2026-02-13T14:01"];
    assertEquals(await numbers("query", "--event", "nav", ...since), ["b4"]);
    assertEquals(await numbers("tail", "-n", "3"), ["a2", "b3", "b4"]);
    assertEquals(await numbers("tail", "-n", "1", "--where", "n=2"), ["a2"]);
  },
);

await natsTest("scout fleet tail -f shows events that are shipped later", async () => {
  await using scene = await Scene.start();
  await twoMachines(scene);
  const options = scene.options("tail", ["-f", "-n", "1", "--json"], []);
  const process = new Deno.Command(Deno.execPath(), {
    args: programArgs(MAIN, options),
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const lines = process.stdout.pipeThrough(new TextDecoderStream())
    .pipeThrough(new TextLineStream()).getReader();
  const next = async () => JSON.parse((await lines.read()).value!).n;
  assertEquals(await next(), 4);
  await scene.ship("c", ["nav", { n: 5 }], ["nav", { n: 6 }]);
  assertEquals([await next(), await next()], [5, 6]);
  process.kill("SIGKILL");
  await lines.cancel();
  await process.status;
});

await natsTest(
  "scout fleet spend sums up costs by log or event type, and scout fleet report shows the total",
  async () => {
    await using scene = await Scene.start();
    await twoMachines(scene);
    const since = ["--since", "2026-02-13"];
    const spend = JSON.parse(
      outputOf(await scene.run("spend", ["--by", "log", "--json", ...since])),
    );
    assertEquals([spend.usd, spend.rows], [1.75, [
      { key: ["a"], usd: 1.25, calls: 2, costs: 2, tokens: 0 },
      { key: ["b"], usd: 0.5, calls: 1, costs: 1, tokens: 0 },
    ]]);
    const byEvent = outputOf(await scene.run("spend", ["--by", "event", ...since]));
    assertMatch(byEvent, /^\$1\.75 for 3 calls since .*\nevent .*\nbrief +\$1\.00 +57\.1 % +1 /);
    const out = scene.dir.path("report.html");
    const written = await scene.run("report", ["--out", out, "--title", "Fleet"], [
      `--allow-read=${out}`,
      `--allow-write=${out}`,
    ]);
    assertMatch(outputOf(written), /^Wrote 4 events as .* to .*report\.html\n$/);
    assertStringIncludes(Deno.readTextFileSync(out), "$1.75");
  },
);

await natsTest(
  "scout fleet status shows the position, the lag and the gaps of each log",
  async () => {
    await using scene = await Scene.start();
    await twoMachines(scene);
    const length = Deno.readTextFileSync(scene.dir.path("a/audit.jsonl")).length;
    const { logs } = JSON.parse(outputOf(await scene.run("status", ["--json"])));
    const { storedTs, lagSec, ...first } = logs[0];
    assertEquals(first, {
      log: "a",
      blocks: 1,
      position: length,
      lagBytes: 0,
      lastTs: "2026-02-13T14:01:00.000Z",
      gaps: [],
    });
    assertEquals(Math.round(lagSec * 1000), Date.parse(storedTs) - Date.parse(first.lastTs));
    assertEquals(logs.length, 2);
    const shown = outputOf(await scene.run("status", ["--log", "a"]));
    assertMatch(
      shown,
      /^log {2}shipped .*\na {4}\d+ bytes {2}- .* {2}2026-02-13 14:01:00 {2}.* {2}-\n$/,
    );
  },
);

await natsTest(
  "scout fleet reports skipped bytes, and reports each error in one line",
  async () => {
    await using scene = await Scene.start();
    const empty = await scene.run("status");
    assertEquals([empty.code, empty.stdout, empty.stderr], [
      1,
      "",
      "scout: nothing was shipped to fleet f\n",
    ]);

    const path = scene.dir.path("a/audit.jsonl");
    await scene.ship("a", ["nav", { n: 1 }]);
    const from = Deno.readTextFileSync(path).length;
    Deno.writeTextFileSync(path, "{torn\n", { append: true });
    await scene.ship("a", ["nav", { n: 2 }]);
    const { code, stdout, stderr } = await scene.run("query", ["--json"]);
    assertEquals([code, stdout.trimEnd().split("\n").length], [0, 2]);
    assertMatch(stderr, new RegExp(`^scout: skipped bytes ${from} to ${from + 6} of log a: .*\n$`));

    const missing = await scene.run("query", ["--stream", "OTHER"]);
    assertEquals([missing.code, missing.stdout], [1, ""]);
    assertMatch(missing.stderr, /^scout: .*stream not found.*\n$/);
    const name = await scene.run("query", ["--log", "a.b"]);
    assertEquals([name.code, name.stdout], [2, ""]);
    assertStringIncludes(
      name.stderr,
      'log: the name must be 1 to 64 letters, digits, "-" or "_", got "a.b"',
    );
    const { args, dir, flags: [net = ""] } = scene.options("query", [], []);
    const forbidden = await runProgram(MAIN, { dir, args, flags: [] });
    assertEquals(forbidden.code, 2);
    assertStringIncludes(forbidden.stderr, `run again with ${net}`);
  },
);

const CONFIG = fromFileUrl(new URL("../../examples/nats/fleet.conf", import.meta.url));

await natsTest(
  "scout ship and scout fleet log in as users of fleet.conf, each with its own permissions",
  async () => {
    await using server = await NatsServer.start(["-c", CONFIG]);
    const operator = await server.connect("operator");
    await createFleetStream({ connection: operator });
    await operator.close();
    using dir = tempDir();
    const path = dir.path("log/audit.jsonl");
    {
      await using log = await AuditLog.open({ path });
      await log.log("nav", { n: 1 });
    }
    const address = `127.0.0.1:${server.port}`;
    const run = (user: string, ...args: string[]) => {
      const password = dir.path(user);
      Deno.writeTextFileSync(password, `${user}\n`);
      const login = ["--user", user, "--password-file", password];
      return runProgram(MAIN, {
        dir: "",
        args: [...args, "--server", address, "--fleet", "mine", ...login],
        flags: [`--allow-net=${address}`, `--allow-read=${password},${dirname(path)}`],
      });
    };
    const shipping = ["ship", "--path", path, "--once", "--log", "machine-1"];
    assertMatch(outputOf(await run("machine-1", ...shipping)), /^Shipped \d+ bytes in 1 block,/);
    for (const command of ["status", "query", "tail", "spend"]) {
      const answer = JSON.parse(outputOf(await run("reader", "fleet", command, "--json")));
      const { n, logs, calls } = answer;
      assertEquals(n ?? logs?.length ?? calls, command === "spend" ? 0 : 1);
    }
    const refused = await run("reader", ...shipping);
    assertEquals([refused.code, refused.stdout], [1, ""]);
    assertStringIncludes(refused.stderr, "Permissions Violation");
    const wrong = await run("stranger", "fleet", "status");
    assertEquals([wrong.code, wrong.stdout], [1, ""]);
    assertMatch(
      wrong.stderr,
      /^scout: Cannot connect to 127.0.0.1:\d+: .*Authorization Violation.*\n$/,
    );
  },
);

await natsTest(
  "scout fleet connects over TLS to a server whose certificate is signed by --ca",
  async () => {
    using dir = tempDir();
    const [key, cert] = [dir.path("key.pem"), dir.path("cert.pem")];
    const { code, stderr } = await runCommand("openssl", {
      args: [
        ...["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=scout"],
        ...["-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert],
      ],
    });
    assertEquals(code, 0, stderr);
    await using server = await NatsServer.start(["--tls", "--tlscert", cert, "--tlskey", key]);
    const servers = `localhost:${server.port}`;
    const connection = await connect({ servers, tls: { ca: Deno.readTextFileSync(cert) } });
    await createFleetStream({ connection });
    await connection.close();
    const status = (...args: string[]) =>
      runProgram(MAIN, {
        dir: "",
        args: ["fleet", "status", "--server", `tls://${servers}`, "--fleet", "f", ...args],
        flags: [`--allow-net=localhost,127.0.0.1:${server.port}`, `--allow-read=${cert}`],
      });
    assertEquals((await status("--ca", cert)).stderr, "scout: nothing was shipped to fleet f\n");
    const unknown = await status();
    assertEquals([unknown.code, unknown.stdout], [1, ""]);
    assertMatch(unknown.stderr, /^scout: Cannot connect to tls:.*certificate.*\n$/);
  },
  "openssl",
);

await natsTest(
  "scout fleet serve shows all logs or one, and events that are shipped later",
  async () => {
    await using scene = await Scene.start();
    await scene.ship("a", ["nav", { cost: 1, agent: "x" }], ["nav", { cost: 2, agent: "y" }]);
    await scene.ship("b", ["nav", { cost: 4, agent: "x" }]);
    const options = scene.options("serve", ["--port", "0", "--json"], []);
    const net = `--allow-net=127.0.0.1:${scene.server.port},127.0.0.1:0`;
    const process = new Deno.Command(Deno.execPath(), {
      args: programArgs(MAIN, { ...options, flags: [net] }),
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const stdout = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const { url, flags } = JSON.parse((await stdout.read()).value!);
    assertEquals(flags, [net]);
    const pageWith = async (address: string, text: string) => {
      for (let asked = 0; asked < 2_000; asked++) {
        const page = await (await fetch(`${url}${address}`)).text();
        if (page.includes(text)) return page;
      }
      throw new Error(`no page at ${address} has ${text}`);
    };
    const all = await pageWith("", '<b id="usd">$7.00</b>');
    assertStringIncludes(all, "Log: <bdi>fleet f</bdi>");
    assertMatch(all, /<a href="\?log=b"><bdi>b<\/bdi><\/a><\/th><td class="number">\$4/);
    assertStringIncludes(
      await pageWith("?log=a", '<b id="usd">$3.00</b>'),
      "Log: <bdi>a of the fleet f</bdi>",
    );
    await pageWith("?agent=x", '<b id="usd">$5.00</b>');
    const list = await (await fetch(`${url}last?count=2`)).text();
    assertEquals(list.match(/<tr>/g)!.length, 3);
    await scene.ship("b", ["nav", { cost: 8, agent: "x" }]);
    await pageWith("", '<b id="usd">$15.00</b>');
    await pageWith("?agent=x&log=b", '<b id="usd">$12.00</b>');
    process.kill("SIGINT");
    await stdout.cancel();
    assertEquals([(await process.status).code, await new Response(process.stderr).text()], [0, ""]);
  },
);

await natsTest("scout fleet connects to a server over a WebSocket", async () => {
  using dir = tempDir();
  const port = freePort();
  const config = dir.path("nats.conf");
  Deno.writeTextFileSync(
    config,
    `websocket { listen: "127.0.0.1:${port}", no_tls: true }\njetstream { store_dir: "${
      dir.path("store")
    }" }\n`,
  );
  await using server = await NatsServer.start(["-c", config]);
  const connection = await server.connect();
  await createFleetStream({ connection });
  await connection.close();
  const { code, stderr } = await runProgram(MAIN, {
    dir: "",
    args: ["fleet", "status", "--server", `ws://127.0.0.1:${port}`, "--fleet", "f"],
    flags: [`--allow-net=127.0.0.1:${port}`],
  });
  assertEquals([code, stderr], [1, "scout: nothing was shipped to fleet f\n"]);
});

Deno.test("scout fleet rejects incomplete or conflicting logins, and missing files", async () => {
  using dir = tempDir();
  const run = (...args: string[]) =>
    runProgram(MAIN, {
      dir: "",
      args: ["fleet", "status", "--server", "127.0.0.1:9", "--fleet", "f", ...args],
      flags: [`--allow-read=${dir.path("")}`],
    });
  const none = dir.path("none");
  for (
    const [args, code, message] of [
      [["--user", "a"], 2, "--user and --password-file must be used together"],
      [["--password-file", none], 2, "--user and --password-file must be used together"],
      [
        ["--user", "a", "--password-file", none, "--creds", none],
        2,
        "--user and --creds cannot be used together",
      ],
      [["--creds", none], 1, `Cannot read credentials: the file does not exist: ${none}`],
      [["--ca", none], 1, `Cannot read certificates: the file does not exist: ${none}`],
      [
        ["--user", "a", "--password-file", none],
        1,
        `Cannot read password: the file does not exist: ${none}`,
      ],
    ] as const
  ) {
    const result = await run(...args);
    assertEquals([result.code, result.stdout], [code, ""]);
    assertStringIncludes(result.stderr, message);
  }
  const forbidden = await runProgram(MAIN, {
    dir: "",
    args: ["fleet", "status", "--server", "127.0.0.1:9", "--fleet", "f", "--creds", none],
    flags: [],
  });
  assertStringIncludes(forbidden.stderr, `run again with --allow-read=${none}`);
});
