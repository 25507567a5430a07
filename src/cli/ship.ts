/**
 * `scout ship`: copies a log into the NATS stream of a fleet, which collects the logs of many machines.
 *
 * @module
 */
import { merge, object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, withDefault } from "@optique/core/modifiers";
import type { Parser } from "@optique/core/parser";
import { command, option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import type { Encoding } from "../fleet/block_encoding.ts";
import { counted, shownBytes, shownNumber } from "../shown.ts";
import { type Run, withLog, withReader } from "./command.ts";
import { stderrLogger } from "./messages.ts";
import { type ServerOptions, serverOptions, withConnection } from "./fleet_connection.ts";
import { Interrupt } from "./interrupt.ts";
import { choiceOf, countOf, type LogOptions, logOptions } from "./options.ts";
import { ProgressBar } from "./progress_bar.ts";
import type { Output } from "./terminal.ts";

interface ShipCommandOptions extends LogOptions, ServerOptions {
  readonly log: string;
  readonly encoding: Encoding;
  readonly interval: number;
  readonly once: boolean;
  readonly createStream: boolean;
}

/** The `scout ship` command. */
export const shipCommand: Parser<"sync", Run, unknown> = command(
  "ship",
  map(
    merge(
      object("Shipping", {
        log: option("--log", string({ metavar: "NAME" }), {
          description: message`Name of this log, unique in the fleet`,
        }),
        encoding: withDefault(
          option("--encoding", choiceOf("ENCODING", ["gzip", "identity"]), {
            description: message`Store as gzip (the default) or identity, uncompressed`,
          }),
          "gzip" as const,
        ),
        interval: withDefault(
          option("--interval", countOf("SECONDS", { min: 0 }), {
            description:
              message`Check the log every SECONDS; default 0, which ships new events immediately`,
          }),
          0,
        ),
        once: option("--once", {
          description: message`Exit when everything is shipped; default: continue until Ctrl-C`,
        }),
        createStream: option("--create-stream", {
          description: message`Create the stream if it does not exist`,
        }),
      }),
      serverOptions,
      logOptions,
    ),
    (options): Run => (output) => runShip(options, output),
  ),
  {
    brief: message`Copies the log into the stream of a fleet, exactly once`,
    description:
      message`Ships the log, and then new events of every process. Needs --allow-net for the server. With --allow-write for the directory of the log, also records which archives the server has received; retention with the option untilShipped needs this record. Exits with 1 if a part of the log was removed before it was shipped, or if the stream holds a different log with the same name.`,
    footer:
      message`Example: scout ship logs --server 127.0.0.1:4222 --fleet mine --log machine-1 --once`,
  },
);

async function runShip(options: ShipCommandOptions, output: Output): Promise<number> {
  const { once, createStream, stream, json, fleet, log, encoding, interval } = options;
  const { createFleetStream, ship } = await import("../fleet/mod.ts");
  const open = once ? withLog : withReader;
  const path = await open(options, ({ path }) => Promise.resolve(path));
  using interrupt = new Interrupt();
  const report = await withConnection(options, async (connection) => {
    using progress = new Progress();
    if (createStream) await createFleetStream({ connection, stream });
    return await ship({
      ...{ connection, fleet, log, path, stream, encoding, once },
      intervalSec: interval,
      signal: interrupt.signal,
      logger: stderrLogger,
      onProgress: progress.show,
    });
  });
  const { position, end, blocks, bytes, gaps } = report;
  const missing = gaps.reduce((sum, { from, to }) => sum + to - from, 0);
  if (json) output.json({ path, ...report });
  else {
    const amount = `${shownBytes(bytes)} in ${counted(blocks, "block")}`;
    const place = `up to byte ${shownNumber(position)} of ${shownNumber(end)}`;
    const gone = missing === 0
      ? ""
      : `; ${shownBytes(missing)} were removed before they were shipped`;
    output.line(`Shipped ${amount}, ${place}${gone}`);
  }
  await output.flush();
  return missing === 0 ? 0 : 1;
}

/** A progress bar that is drawn anew when the log has grown, because the total is then larger. */
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
