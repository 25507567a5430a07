/**
 * `scout ship`: copies a log into the stream of its fleet.
 *
 * @module
 */
import type { NatsConnection } from "@nats-io/transport-node";
import { merge, object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, withDefault } from "@optique/core/modifiers";
import type { Parser } from "@optique/core/parser";
import { command, option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import { messageOf, withFlags } from "../errors.ts";
import { counted, shownBytes } from "../shown.ts";
import { CommandError, type Run, stderrLogger, withLog, withReader } from "./command.ts";
import { Interrupt } from "./interrupt.ts";
import { type LogOptions, logOptions } from "./options.ts";
import { ProgressBar } from "./progress_bar.ts";
import type { Output } from "./terminal.ts";

interface ShipCommandOptions extends LogOptions {
  readonly server: string;
  readonly fleet: string;
  readonly log: string;
  readonly stream: string;
  readonly once: boolean;
  readonly createStream: boolean;
}

/** The command. */
export const shipCommand: Parser<"sync", Run, unknown> = command(
  "ship",
  map(
    merge(
      object("The fleet", {
        server: option("--server", string({ metavar: "ADDRESS" }), {
          description: message`A server of NATS: 127.0.0.1:4222, or several with commas`,
        }),
        fleet: option("--fleet", string({ metavar: "NAME" }), {
          description: message`Name of the fleet`,
        }),
        log: option("--log", string({ metavar: "NAME" }), {
          description: message`Name of this log, which no other one in the fleet has`,
        }),
        stream: withDefault(
          option("--stream", string({ metavar: "NAME" }), {
            description: message`Name of the stream; default AUDIT`,
          }),
          "AUDIT",
        ),
        once: option("--once", {
          description: message`End when all is shipped, rather than go on until Ctrl-C`,
        }),
        createStream: option("--create-stream", {
          description: message`Make the stream if it is not there`,
        }),
      }),
      logOptions,
    ),
    (options): Run => (output) => runShip(options, output),
  ),
  {
    brief: message`Copies the log into the stream of a fleet, exactly once`,
    description:
      message`Ships what is in the log, and then what is written to it, by whichever process. Needs --allow-net for the server, and writes nothing. The exit code is 1 when something was gone before it was shipped, or the log is another one than is in the stream.`,
    footer:
      message`Example: scout ship --server 127.0.0.1:4222 --fleet mine --log machine-1 --once`,
  },
);

async function runShip(options: ShipCommandOptions, output: Output): Promise<number> {
  const { once, createStream, stream, json } = options;
  const { createFleetStream, ship } = await import("../fleet/mod.ts");
  const open = once ? withLog : withReader;
  const path = await open(options, ({ path }) => Promise.resolve(path));
  const connection = await connected(options.server);
  using interrupt = new Interrupt();
  using progress = new Progress();
  try {
    if (createStream) await createFleetStream({ connection, stream });
    const report = await ship({
      ...{ connection, path, stream, once },
      fleet: options.fleet,
      log: options.log,
      signal: interrupt.signal,
      logger: stderrLogger,
      onProgress: progress.show,
    });
    const { position, end, blocks, bytes, gaps } = report;
    const missing = gaps.reduce((sum, { from, to }) => sum + to - from, 0);
    output.line(
      json
        ? JSON.stringify({ path, ...report })
        : `Shipped ${shownBytes(bytes)} in ${
          counted(blocks, "block")
        }, up to byte ${position} of ${end}` +
          (missing === 0 ? "" : `; ${shownBytes(missing)} were gone`),
    );
    await output.flush();
    return missing === 0 ? 0 : 1;
  } catch (error) {
    throw isForUser(error) ? new CommandError(error.message, 1) : error;
  } finally {
    await connection.close();
  }
}

async function connected(server: string): Promise<NatsConnection> {
  const { connect } = await import("@nats-io/transport-node");
  const servers = server.split(",");
  try {
    return await connect({ servers, name: "scout ship", maxReconnectAttempts: -1 });
  } catch (error) {
    for (let cause = error; cause instanceof Error; cause = cause.cause) {
      if (cause instanceof Deno.errors.NotCapable) {
        throw withFlags(cause, [`--allow-net=${server}`], "Cannot ship log");
      }
    }
    throw new CommandError(`Cannot connect to ${server}: ${messageOf(error)}`, 1);
  }
}

/** What somebody has to see to, told in a line. */
const FOR_USER = [
  "FleetMismatchError",
  "FleetConflictError",
  "FleetServerError",
  "RangeError",
  // Of the connection: what is not allowed, and one that was closed.
  "RequestError",
  "ClosedConnectionError",
];

function isForUser(error: unknown): error is Error {
  return error instanceof Error && FOR_USER.includes(error.name);
}

/** A progress bar, which begins anew when there is more to do. */
class Progress implements Disposable {
  #bar: ProgressBar | undefined;
  #end = 0;
  #position = 0;

  readonly show = ({ position, end }: { position: number; end: number }): void => {
    if (end !== this.#end) {
      this[Symbol.dispose]();
      this.#bar = new ProgressBar("Shipping", end);
      [this.#end, this.#position] = [end, 0];
    }
    this.#bar?.advance(position - this.#position);
    this.#position = position;
  };

  [Symbol.dispose](): void {
    this.#bar?.[Symbol.dispose]();
  }
}
