/**
 * Real NATS servers that a test can start, kill and restart.
 *
 * @module
 */
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { cpSync } from "node:fs";
import { NATS_SERVER, type RequirementName, testNeeding } from "../requirements.ts";
import { type TempDir, tempDir } from "../temp_dir.ts";

const RETRY_MS = 20;
/**
 * Connection options: reconnect forever, and do not record a stack trace for each request, because recording them would
 * take a tenth of the run time.
 */
const CONNECTING = { maxReconnectAttempts: -1, reconnectTimeWait: RETRY_MS, noAsyncTraces: true };

/** Registers a test that needs the NATS server, and possibly other tools. */
export function natsTest(
  name: string,
  test: () => Promise<void>,
  ...furtherNeeds: readonly RequirementName[]
): Promise<void> {
  return testNeeding(["nats-server", ...furtherNeeds], name, test);
}

/** Range of ports below the ephemeral ports, which the system could assign to another test at any moment. */
const [PORT_MIN, PORT_MAX] = [10_000, 32_000];
/** Maximum time in milliseconds until a started server must respond. */
const PATIENCE_MS = 60_000;

/** Returns a TCP port that is free at the moment. */
export function freePort(): number {
  while (true) {
    const port = PORT_MIN + Math.floor(Math.random() * (PORT_MAX - PORT_MIN));
    try {
      using listener = Deno.listen({ hostname: "127.0.0.1", port });
      return (listener.addr as Deno.NetAddr).port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
}

/** A server with JetStream, in a separate temporary directory. */
export class NatsServer implements AsyncDisposable {
  readonly port: number = freePort();
  readonly #dir: TempDir;
  readonly #args: readonly string[];
  #process: Deno.ChildProcess;
  #isRunning = true;

  private constructor(args: readonly string[], parent: string | undefined) {
    this.#dir = tempDir(parent);
    this.#args = args;
    this.#process = this.#spawn();
  }

  /** Starts a server with additional arguments, in a new directory in `parent`. Resolves when the server responds. */
  static async start(args: readonly string[] = [], parent?: string): Promise<NatsServer> {
    const server = new NatsServer(args, parent);
    try {
      await server.#answers();
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
    return server;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  /** Connects to the server, as a user if `user` is set. The connection reconnects by itself. */
  connect(user?: string): Promise<NatsConnection> {
    const options = { ...CONNECTING, servers: this.url };
    if (user === undefined) return connect(options);
    // fleet.conf permits each user only an inbox with this prefix.
    return connect({ ...options, user, pass: user, inboxPrefix: `_INBOX_${user}` });
  }

  /** Kills the server with SIGKILL if it is running. */
  async kill(): Promise<void> {
    if (this.#isRunning) this.#process.kill("SIGKILL");
    await this.#process.status;
  }

  /** Starts the server again with its stored data. */
  async restart(): Promise<void> {
    this.#process = this.#spawn();
    await this.#answers();
  }

  /** Returns the resident memory of the server in bytes. */
  memoryBytes(): number {
    const status = Deno.readTextFileSync(`/proc/${this.#process.pid}/status`);
    const [, kibibytes = ""] = /^VmRSS:\s+(\d+) kB$/m.exec(status) ?? [];
    return Number(kibibytes) * 1024;
  }

  /** Saves a copy of the stored data. The server must not be running. */
  saveStore(): void {
    cpSync(this.#dir.path("store"), this.#dir.path("saved"), { recursive: true });
  }

  /** Replaces the stored data with the saved copy. The server must not be running. */
  restoreStore(): void {
    Deno.removeSync(this.#dir.path("store"), { recursive: true });
    Deno.renameSync(this.#dir.path("saved"), this.#dir.path("store"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    this.#dir[Symbol.dispose]();
  }

  #spawn(): Deno.ChildProcess {
    const address = ["-a", "127.0.0.1", "-p", `${this.port}`, "-l", this.#dir.path("log")];
    // A configuration file sets the store itself, relative to the working directory of the server.
    const storage = this.#args.includes("-c") ? [] : ["-js", "-sd", this.#dir.path("store")];
    const args = [...address, ...storage, ...this.#args];
    const cwd = this.#dir.path("");
    const command = new Deno.Command(NATS_SERVER, { args, cwd, stdout: "null", stderr: "null" });
    const process = command.spawn();
    this.#isRunning = true;
    process.status.then(() => {
      if (process === this.#process) this.#isRunning = false;
    });
    return process;
  }

  async #answers(): Promise<void> {
    const deadline = AbortSignal.timeout(PATIENCE_MS);
    await answers(this.port, () => {
      if (this.#isRunning && !deadline.aborted) return;
      throw new Error(
        `${NATS_SERVER} does not respond: ${Deno.readTextFileSync(this.#dir.path("log"))}`,
      );
    });
  }
}

/**
 * Resolves when a server responds at the port. `check` is called before each attempt. Rejects with the error that
 * `check` throws.
 */
export async function answers(port: number, check: () => void = () => {}): Promise<void> {
  while (true) {
    check();
    try {
      using connection = await Deno.connect({ hostname: "127.0.0.1", port });
      // The first message that a NATS server sends on a connection starts with INFO.
      if (await connection.read(new Uint8Array(5)) === 5) return;
    } catch (error) {
      const isToCome = error instanceof Deno.errors.ConnectionRefused ||
        error instanceof Deno.errors.ConnectionReset;
      if (!isToCome) throw error;
    }
    await pause();
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, RETRY_MS));
}

/** A cluster of servers that replicate a stream. */
export class NatsCluster implements AsyncDisposable {
  readonly servers: readonly NatsServer[];

  private constructor(servers: readonly NatsServer[]) {
    this.servers = servers;
  }

  /** Starts three servers, each in a new directory in `parent`. Resolves when they have a leader. */
  static async start(parent?: string): Promise<NatsCluster> {
    const routes = [1, 2, 3].map(() => `nats://127.0.0.1:${freePort()}`);
    const servers = await Promise.all(routes.map((route, index) =>
      NatsServer.start([
        ...["--server_name", `${index}`, "--cluster_name", "cluster"],
        ...["--cluster", route, "--routes", routes.join(",")],
      ], parent)
    ));
    const cluster = new NatsCluster(servers);
    await cluster.#hasLeader();
    return cluster;
  }

  /** Connects to any of the servers. */
  connect(): Promise<NatsConnection> {
    const servers = this.servers.map(({ url }) => url);
    return connect({ ...CONNECTING, servers });
  }

  /** Kills the server that leads the stream, and starts it again. */
  async killLeader(connection: NatsConnection, stream: string): Promise<void> {
    const leader = await this.#leaderOf(connection, stream);
    await leader.kill();
    await leader.restart();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.servers) await server[Symbol.asyncDispose]();
  }

  /** Resolves as soon as the cluster has a leader, which responds to API requests. */
  async #hasLeader(): Promise<void> {
    const connection = await this.connect();
    try {
      while (true) {
        try {
          const { data } = await connection.request("$JS.API.INFO", "", { timeout: 1_000 });
          if (JSON.parse(new TextDecoder().decode(data)).error === undefined) return;
        } catch (error) {
          if (!(error instanceof Error)) throw error;
        }
        await pause();
      }
    } finally {
      await connection.close();
    }
  }

  async #leaderOf(connection: NatsConnection, stream: string): Promise<NatsServer> {
    while (true) {
      try {
        const { data } = await connection.request(`$JS.API.STREAM.INFO.${stream}`);
        const leader = JSON.parse(new TextDecoder().decode(data)).cluster?.leader;
        if (leader) return this.servers[Number(leader)]!;
      } catch (error) {
        // No server responds during the election of a leader.
        if (!(error instanceof Error)) throw error;
      }
      await pause();
    }
  }
}
