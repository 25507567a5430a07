/**
 * A log that is shipped to a real server or cluster, and its shippers.
 *
 * @module
 */
import type { NatsConnection } from "@nats-io/transport-node";
import { dirname, fromFileUrl } from "@std/path";
import { AuditLog } from "@vivarium/scout";
import {
  createFleetStream,
  FleetConflictError,
  type FleetStreamOptions,
  ship,
} from "@vivarium/scout/fleet";
import { silent } from "../loggers.ts";
import { programArgs } from "../run_program.ts";
import { tempDir } from "../temp_dir.ts";
import type { NatsCluster, NatsServer } from "./nats_server.ts";

const SHIPS = fromFileUrl(new URL("../programs/ships.ts", import.meta.url));
const RETRY_MS = 100;

/** A server or cluster with the stream of a fleet, and the path of a log to ship. */
export class Scene<Server extends NatsServer | NatsCluster> implements AsyncDisposable {
  readonly server: Server;
  readonly connection: NatsConnection;
  readonly path: string;
  readonly #stack: AsyncDisposableStack;

  private constructor(
    stack: AsyncDisposableStack,
    { server, connection }: { server: Server; connection: NatsConnection },
  ) {
    this.#stack = stack;
    this.server = server;
    this.connection = connection;
    this.path = stack.use(tempDir()).path("audit.jsonl");
  }

  static async of<Server extends NatsServer | NatsCluster>(
    starting: Promise<Server>,
    settings: Omit<FleetStreamOptions, "connection"> = {},
  ): Promise<Scene<Server>> {
    const stack = new AsyncDisposableStack();
    const server = stack.use(await starting);
    const connection = await server.connect();
    stack.defer(() => connection.close());
    await createdInTime({ connection, ...settings });
    return new Scene(stack, { server, connection });
  }

  /** The options to ship the log. */
  get options() {
    const { connection, path } = this;
    const place = { connection, path, fleet: "f", log: "a" };
    return { ...place, blockBytes: 2_000, timeoutSec: 1, logger: silent };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

/** Deletes the stream and creates it again, with retries until the cluster has created the stream. */
export async function remakeStream(options: FleetStreamOptions): Promise<void> {
  await options.connection.request("$JS.API.STREAM.DELETE.AUDIT", "", { timeout: 10_000 });
  await createdInTime(options);
}

/** Creates the stream as soon as the cluster has elected a leader. */
async function createdInTime(options: FleetStreamOptions): Promise<void> {
  while (true) {
    try {
      return await createFleetStream(options);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

/** Writes and rotates a log until `work` has resolved. */
export async function writingWhile(path: string, work: () => Promise<void>): Promise<void> {
  await using log = await AuditLog.open({ path, rotationSizeBytes: 20_000, logger: silent });
  let isOver = false;
  const writing = (async () => {
    for (let n = 0; !isOver; n++) {
      await log.log("nav", { n, reason: "x".repeat(n % 300) });
      if (n % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 0));
    }
  })();
  try {
    await work();
  } finally {
    isOver = true;
    await writing;
  }
}

/** A shipper that runs until it is stopped. After a conflict with another shipper it starts again. */
export class Shipper {
  readonly #options: Scene<NatsServer>["options"];
  readonly #controller = new AbortController();
  readonly #shipping: Promise<void>;
  #conflicts = 0;
  #told = Promise.withResolvers<void>();

  constructor(options: Scene<NatsServer>["options"]) {
    this.#options = options;
    this.#shipping = this.#run();
    // Without this line, Deno would report an unhandled rejection. stored() and stop() pass the error to the test.
    this.#shipping.catch((error) => this.#told.reject(error));
  }

  /** Number of conflicts with another shipper. */
  get conflicts(): number {
    return this.#conflicts;
  }

  /** Resolves when `blocks` more blocks were stored. */
  async stored(blocks = 1): Promise<void> {
    for (let left = blocks; left > 0; left--) {
      this.#told = Promise.withResolvers();
      await this.#told.promise;
    }
  }

  async stop(): Promise<void> {
    this.#controller.abort();
    await this.#shipping;
  }

  async #run(): Promise<void> {
    const { signal } = this.#controller;
    while (!signal.aborted) {
      try {
        await ship({ ...this.#options, signal, onProgress: () => this.#told.resolve() });
      } catch (error) {
        if (!(error instanceof FleetConflictError)) throw error;
        this.#conflicts++;
      }
    }
  }
}

/**
 * Starts a shipper in a separate process that has only the permissions that shipping needs, and with `mayWrite` the
 * permission to record what is shipped.
 */
export function shippingProcess(
  server: NatsServer,
  path: string,
  { mayWrite = false } = {},
): Deno.ChildProcess {
  const { url, port } = server;
  const directory = dirname(path);
  const args = programArgs(SHIPS, {
    dir: "",
    args: [url, path, "a"],
    flags: [
      `--allow-read=${directory}`,
      `--allow-net=127.0.0.1:${port}`,
      ...mayWrite ? [`--allow-write=${directory}`] : [],
    ],
  });
  return new Deno.Command(Deno.execPath(), { args, stdout: "piped", stderr: "null" }).spawn();
}
