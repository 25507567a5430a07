/**
 * Real servers of NATS, which a test starts, kills and starts again.
 *
 * @module
 */
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { cpSync } from "node:fs";
import { hasTool } from "../run_command.ts";
import { type TempDir, tempDir } from "../temp_dir.ts";

const PROGRAM = "nats-server";
const IS_THERE = await hasTool(PROGRAM);
const RETRY_MS = 20;

/** A test that needs the server; where there is none it says how to get it, and does not run. */
export function natsTest(name: string, test: () => Promise<void>): void {
  Deno.test({
    name: IS_THERE ? name : `${name} (needs: apt-get install ${PROGRAM})`,
    ignore: !IS_THERE,
    fn: test,
  });
}

/** A port that nobody listens on. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return (listener.addr as Deno.NetAddr).port;
}

/** A server with JetStream, in a folder of its own. */
export class NatsServer implements AsyncDisposable {
  readonly port: number = freePort();
  readonly #dir: TempDir = tempDir();
  readonly #args: readonly string[];
  #process: Deno.ChildProcess;

  private constructor(args: readonly string[]) {
    this.#args = args;
    this.#process = this.#spawn();
  }

  /** Starts one, with further arguments, and resolves when it answers. */
  static async start(args: readonly string[] = []): Promise<NatsServer> {
    const server = new NatsServer(args);
    await server.#answers();
    return server;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  /** Connects, as a user if one is named, and connects again whenever it has to. */
  connect(user?: string): Promise<NatsConnection> {
    const options = { servers: this.url, maxReconnectAttempts: -1, reconnectTimeWait: RETRY_MS };
    if (user === undefined) return connect(options);
    // Each user hears the answers to its own questions alone.
    return connect({ ...options, user, pass: user, inboxPrefix: `_INBOX_${user}` });
  }

  /** SIGKILLs it. */
  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.status;
  }

  /** Starts it again, with what it has stored. */
  async restart(): Promise<void> {
    this.#process = this.#spawn();
    await this.#answers();
  }

  /** Keeps a copy of what it has stored, while it is not running. */
  saveStore(): void {
    cpSync(this.#dir.path("store"), this.#dir.path("saved"), { recursive: true });
  }

  /** Puts the copy in the place of what it has stored, while it is not running. */
  restoreStore(): void {
    Deno.removeSync(this.#dir.path("store"), { recursive: true });
    Deno.renameSync(this.#dir.path("saved"), this.#dir.path("store"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    this.#dir[Symbol.dispose]();
  }

  #spawn(): Deno.ChildProcess {
    const address = ["-a", "127.0.0.1", "-p", `${this.port}`];
    // A configuration says itself where to store, seen from where the server runs.
    const storage = this.#args.includes("-c") ? [] : ["-js", "-sd", this.#dir.path("store")];
    const args = [...address, ...storage, ...this.#args];
    const cwd = this.#dir.path("");
    return new Deno.Command(PROGRAM, { args, cwd, stdout: "null", stderr: "null" }).spawn();
  }

  async #answers(): Promise<void> {
    let isOver = false;
    this.#process.status.then(() => isOver = true);
    while (true) {
      if (isOver) throw new Error(`${PROGRAM} has ended: ${this.#args.join(" ")}`);
      try {
        using connection = await Deno.connect({ hostname: "127.0.0.1", port: this.port });
        // It begins with INFO.
        if (await connection.read(new Uint8Array(5)) === 5) return;
      } catch (error) {
        if (!(error instanceof Deno.errors.ConnectionRefused)) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

/** Servers that hold a stream together. */
export class NatsCluster implements AsyncDisposable {
  readonly servers: readonly NatsServer[];

  private constructor(servers: readonly NatsServer[]) {
    this.servers = servers;
  }

  /** Starts three. */
  static async start(): Promise<NatsCluster> {
    const routes = [1, 2, 3].map(() => `nats://127.0.0.1:${freePort()}`);
    const servers = await Promise.all(routes.map((route, index) =>
      NatsServer.start([
        ...["--server_name", `${index}`, "--cluster_name", "cluster"],
        ...["--cluster", route, "--routes", routes.join(",")],
      ])
    ));
    return new NatsCluster(servers);
  }

  /** Connects to any of them. */
  connect(): Promise<NatsConnection> {
    const servers = this.servers.map(({ url }) => url);
    return connect({ servers, maxReconnectAttempts: -1, reconnectTimeWait: RETRY_MS });
  }

  /** Kills the one that leads the stream, and starts it again. */
  async killLeader(connection: NatsConnection, stream: string): Promise<void> {
    const leader = await this.#leaderOf(connection, stream);
    await leader.kill();
    await leader.restart();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.servers) await server[Symbol.asyncDispose]();
  }

  async #leaderOf(connection: NatsConnection, stream: string): Promise<NatsServer> {
    while (true) {
      try {
        const { data } = await connection.request(`$JS.API.STREAM.INFO.${stream}`);
        const leader = JSON.parse(new TextDecoder().decode(data)).cluster?.leader;
        if (leader !== undefined) return this.servers[Number(leader)]!;
      } catch (error) {
        // While a leader is elected, nobody answers.
        if (!(error instanceof Error)) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}
