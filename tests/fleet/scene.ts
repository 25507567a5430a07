/**
 * A log that is shipped to a real server, or to a cluster, and who ships it.
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

/** A server or a cluster with the stream of a fleet, and the place of a log that is shipped to it. */
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

  /** What to ship. */
  get options() {
    const { connection, path } = this;
    const place = { connection, path, fleet: "f", log: "a" };
    return { ...place, blockBytes: 2_000, timeoutSec: 1, logger: silent };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

/** Deletes the stream, and makes it anew, however long it takes a cluster to do so. */
export async function remakeStream(options: FleetStreamOptions): Promise<void> {
  await options.connection.request("$JS.API.STREAM.DELETE.AUDIT", "", { timeout: 10_000 });
  await createdInTime(options);
}

/** Makes the stream as soon as the cluster has elected who makes it. */
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

/** A log that goes on being written and rotated, as long as somebody works. */
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

/** A shipper that goes on until it is told to stop; one that another one has ended starts again. */
export class Shipper {
  readonly #options: Scene<NatsServer>["options"];
  readonly #controller = new AbortController();
  readonly #shipping: Promise<void>;
  #conflicts = 0;
  #told = Promise.withResolvers<void>();

  constructor(options: Scene<NatsServer>["options"]) {
    this.#options = options;
    this.#shipping = this.#run();
    // It is told to who waits for a block, or for the end.
    this.#shipping.catch((error) => this.#told.reject(error));
  }

  /** How often another one has ended it. */
  get conflicts(): number {
    return this.#conflicts;
  }

  /** Resolves when so many more blocks were stored. */
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

/** A shipper in a process of its own, with no more permissions than it needs. */
export function shippingProcess(server: NatsServer, path: string): Deno.ChildProcess {
  const { url, port } = server;
  const args = programArgs(SHIPS, {
    dir: "",
    args: [url, path, "a"],
    flags: [`--allow-read=${dirname(path)}`, `--allow-net=127.0.0.1:${port}`],
  });
  return new Deno.Command(Deno.execPath(), { args, stdout: "piped", stderr: "null" }).spawn();
}
