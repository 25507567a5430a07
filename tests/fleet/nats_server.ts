/**
 * Real servers of NATS, which a test starts, kills and starts again.
 *
 * @module
 */
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { cpSync } from "node:fs";
import { type RequirementName, testNeeding } from "../requirements.ts";
import { type TempDir, tempDir } from "../temp_dir.ts";

const PROGRAM = "nats-server";
const RETRY_MS = 20;
/** Again whenever it has to, and without a stack for each request, which is a tenth of all work. */
const CONNECTING = { maxReconnectAttempts: -1, reconnectTimeWait: RETRY_MS, noAsyncTraces: true };

/** Registers a test that needs the server, and perhaps more. */
export function natsTest(
  name: string,
  test: () => Promise<void>,
  ...furtherNeeds: readonly RequirementName[]
): Promise<void> {
  return testNeeding([PROGRAM, ...furtherNeeds], name, test);
}

/** Below those that a system gives away by itself, which another test may be given at any moment. */
const [PORT_MIN, PORT_MAX] = [10_000, 32_000];
/** A server that does not answer by then does not do so at all. */
const PATIENCE_MS = 60_000;

/** A port that nobody listens on. */
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

/** A server with JetStream, in a folder of its own. */
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

  /** Starts one, with further arguments, in a folder of `parent`; resolves when it answers. */
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

  /** Connects, as a user if one is named, and connects again whenever it has to. */
  connect(user?: string): Promise<NatsConnection> {
    const options = { ...CONNECTING, servers: this.url };
    if (user === undefined) return connect(options);
    // Each user hears the answers to its own questions alone.
    return connect({ ...options, user, pass: user, inboxPrefix: `_INBOX_${user}` });
  }

  /** SIGKILLs it, if it is running. */
  async kill(): Promise<void> {
    if (this.#isRunning) this.#process.kill("SIGKILL");
    await this.#process.status;
  }

  /** Starts it again, with what it has stored. */
  async restart(): Promise<void> {
    this.#process = this.#spawn();
    await this.#answers();
  }

  /** Bytes of memory that it takes. */
  memoryBytes(): number {
    const status = Deno.readTextFileSync(`/proc/${this.#process.pid}/status`);
    const [, kibibytes = ""] = /^VmRSS:\s+(\d+) kB$/m.exec(status) ?? [];
    return Number(kibibytes) * 1024;
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
    const address = ["-a", "127.0.0.1", "-p", `${this.port}`, "-l", this.#dir.path("log")];
    // A configuration says itself where to store, seen from where the server runs.
    const storage = this.#args.includes("-c") ? [] : ["-js", "-sd", this.#dir.path("store")];
    const args = [...address, ...storage, ...this.#args];
    const cwd = this.#dir.path("");
    const command = new Deno.Command(PROGRAM, { args, cwd, stdout: "null", stderr: "null" });
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
        `${PROGRAM} does not answer: ${Deno.readTextFileSync(this.#dir.path("log"))}`,
      );
    });
  }
}

/** Resolves when a server answers at the port; `check` may throw before each time that it is asked. */
export async function answers(port: number, check: () => void = () => {}): Promise<void> {
  while (true) {
    check();
    try {
      using connection = await Deno.connect({ hostname: "127.0.0.1", port });
      // It begins with INFO.
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

/** Servers that hold a stream together. */
export class NatsCluster implements AsyncDisposable {
  readonly servers: readonly NatsServer[];

  private constructor(servers: readonly NatsServer[]) {
    this.servers = servers;
  }

  /** Starts three, each in a folder of `parent`; resolves when they have a leader. */
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

  /** Connects to any of them. */
  connect(): Promise<NatsConnection> {
    const servers = this.servers.map(({ url }) => url);
    return connect({ ...CONNECTING, servers });
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

  /** Resolves as soon as somebody answers for all of them. */
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
        // While a leader is elected, nobody answers.
        if (!(error instanceof Error)) throw error;
      }
      await pause();
    }
  }
}
