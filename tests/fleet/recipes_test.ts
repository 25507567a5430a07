import {
  type Account,
  createAccount,
  createOperator,
  createUser,
  encodeAccount,
  encodeOperator,
  encodeUser,
  fmtCreds,
} from "@nats-io/jwt";
import { assertEquals, assertMatch } from "@std/assert";
import { dirname } from "@std/path";
import { AuditLog } from "@vivarium/scout";
import { createFleetStream } from "@vivarium/scout/fleet";
import { MAIN } from "../cli/run_cli.ts";
import { NATS_SERVER } from "../requirements.ts";
import { runCommand } from "../run_command.ts";
import { runProgram } from "../run_program.ts";
import { type TempDir, tempDir } from "../temp_dir.ts";
import { freePort, NatsServer, natsTest } from "./nats_server.ts";
import { shippedOf, textOfLog } from "./shipped.ts";

/** Returns the text of a configuration file in examples/nats. */
function example(name: string): string {
  return Deno.readTextFileSync(new URL(`../../examples/nats/${name}`, import.meta.url));
}

/** Creates a log of one event and returns its path. */
async function logIn(dir: TempDir): Promise<string> {
  const path = dir.path("log/audit.jsonl");
  await using log = await AuditLog.open({ path });
  await log.log("nav", { n: 1 });
  return path;
}

/** Ships a whole log as machine-1 of the fleet. */
function shipOnce(path: string, server: NatsServer, args: readonly string[], reads: string[] = []) {
  const address = `127.0.0.1:${server.port}`;
  return runProgram(MAIN, {
    dir: "",
    args: [
      ...["ship", "--once", "--path", path, "--server", address],
      ...["--fleet", "mine", "--log", "machine-1", ...args],
    ],
    flags: [`--allow-net=${address}`, `--allow-read=${[dirname(path), ...reads]}`],
  });
}

await natsTest(
  "A shipper reaches the fleet through a leaf server that uses leaf.conf",
  async () => {
    using dir = tempDir();
    const port = freePort();
    const hubConfig = dir.path("hub.conf");
    const leaves = `leafnodes { listen: "127.0.0.1:${port}" }\n`;
    Deno.writeTextFileSync(hubConfig, example("fleet.conf") + leaves);
    await using hub = await NatsServer.start(["-c", hubConfig]);
    const operator = await hub.connect("operator");
    await createFleetStream({ connection: operator });
    const leafConfig = dir.path("leaf.conf");
    const url = /tls:\/\/(machine-1:machine-1@)nats.example.com:7422/;
    assertMatch(example("leaf.conf"), url);
    const leafText = example("leaf.conf").replace(url, `nats-leaf://$1127.0.0.1:${port}`);
    Deno.writeTextFileSync(leafConfig, leafText);
    await using leaf = await NatsServer.start(["-c", leafConfig]);
    const path = await logIn(dir);
    const { code, stdout, stderr } = await shipOnce(path, leaf, ["--inbox", "_INBOX_machine-1"]);
    assertEquals([code, stderr], [0, ""]);
    assertMatch(stdout, /^Shipped \d+ bytes in 1 block,/);
    assertEquals((await shippedOf(operator, "machine-1", "mine")).text, textOfLog(path));
    await operator.close();
  },
);

await natsTest(
  "A shipper logs in with a credentials file that permits only one log",
  async () => {
    using dir = tempDir();
    const operator = createOperator();
    const [account, system] = [createAccount(), createAccount()];
    const unlimited = -1;
    const limits = {
      ...{ conn: unlimited, data: unlimited, exports: unlimited, imports: unlimited },
      ...{ leaf: unlimited, payload: unlimited, subs: unlimited, wildcards: true },
      ...{
        disk_storage: unlimited,
        mem_storage: unlimited,
        streams: unlimited,
        consumer: unlimited,
      },
    };
    const accountOptions = { limits } as Partial<Account>;
    const accountJwt = await encodeAccount("fleet", account, accountOptions, { signer: operator });
    const systemJwt = await encodeAccount("system", system, {}, { signer: operator });
    const config = dir.path("nats.conf");
    Deno.writeTextFileSync(
      config,
      [
        `operator: "${await encodeOperator("operator", operator)}"`,
        "resolver: MEMORY",
        `system_account: ${system.getPublicKey()}`,
        "resolver_preload {",
        `  ${account.getPublicKey()}: "${accountJwt}"`,
        `  ${system.getPublicKey()}: "${systemJwt}"`,
        "}",
        `jetstream { store_dir: "${dir.path("store")}" }`,
        "",
      ].join("\n"),
    );
    /** Creates the credentials file of a user with these permissions, by default with all permissions. */
    const credentials = async (name: string, permissions = {}): Promise<string> => {
      const user = createUser();
      const jwt = await encodeUser(name, user, account, permissions);
      Deno.writeFileSync(dir.path(name), fmtCreds(jwt, user));
      return dir.path(name);
    };
    await using server = await NatsServer.start(["-c", config]);
    const path = await logIn(dir);
    const manager = await credentials("manager");
    const made = await shipOnce(path, server, ["--creds", manager, "--create-stream"], [manager]);
    assertEquals([made.code, made.stderr], [0, ""]);
    const machine = await credentials("machine", {
      pub: { allow: ["audit.mine.machine-1", "$JS.API.DIRECT.GET.AUDIT.audit.mine.machine-1"] },
    });
    const args = ["--creds", machine];
    const again = await shipOnce(path, server, args, [machine]);
    assertMatch(again.stdout, /^Shipped 0 bytes in 0 blocks, up to byte (\d+) of \1\n$/);
    const refused = await shipOnce(path, server, [...args, "--create-stream"], [machine]);
    assertEquals([refused.code, refused.stdout], [1, ""]);
    assertMatch(refused.stderr, /Permissions Violation/);
  },
);

await natsTest("nats-server accepts the configurations of the examples", async () => {
  for (const name of ["fleet.conf", "leaf.conf", "tls.conf"]) {
    using dir = tempDir();
    const config = dir.path(name);
    // The certificates do not exist here, and the server would fail to read them. So the TLS settings are left out.
    const text = example(name).replaceAll(/tls \{[^}]*\}/g, "");
    Deno.writeTextFileSync(config, text.replace("/var/lib/nats", dir.path("store")));
    const { code, stderr } = await runCommand(NATS_SERVER, { args: ["-t", "-c", config] });
    assertEquals(code, 0, stderr);
  }
});
