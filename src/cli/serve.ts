/**
 * `scout serve`: a report on the log as a page that is live while the simulation runs.
 *
 * @module
 */
import { merge, object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, withDefault } from "@optique/core/modifiers";
import type { Parser } from "@optique/core/parser";
import { command, option } from "@optique/core/primitives";
import { integer, string } from "@optique/core/valueparser";
import { dirname } from "@std/path";
import { hostOf, isLoopback } from "../report/access.ts";
import { CommandError, type Run, tell, withReader } from "./command.ts";
import { Interrupt } from "./interrupt.ts";
import { statusLogger } from "./log_status.ts";
import { OPEN_FLAG, openInBrowser } from "./open_in_browser.ts";
import { type ReadingOptions, readingOptions, type TimeOptions, timeOptions } from "./options.ts";
import { optionsToReport, type ReportLookOptions, reportLookOptions } from "./report_options.ts";
import type { Output } from "./terminal.ts";

const DEFAULT_PORT = 8788;

interface ServeCommandOptions extends ReadingOptions, TimeOptions, ReportLookOptions {
  readonly hostname: string;
  readonly port: number;
}

/** The command. */
export const serveCommand: Parser<"sync", Run, unknown> = command(
  "serve",
  map(
    merge(
      object({
        port: withDefault(
          option("--port", integer({ min: 0, max: 65_535, metavar: "PORT" }), {
            description: message`The port to listen on; default 8788, and 0 for any that is free`,
          }),
          DEFAULT_PORT,
        ),
        hostname: withDefault(
          option("--hostname", string({ metavar: "HOST" }), {
            description:
              message`The address to listen on; default 127.0.0.1, which this machine alone reaches. On any other one the address that is printed holds a token`,
          }),
          "127.0.0.1",
        ),
      }),
      reportLookOptions,
      timeOptions,
      readingOptions,
    ),
    (options): Run => (output) => runServe(options, output),
  ),
  {
    brief: message`A report to look at, live while the simulation runs`,
    description:
      message`Serves the report of ${"scout report"} as a page that shows what is written within a second, and waits for a log that is not there. Ctrl-C ends it.`,
    footer: message`Example: scout serve --open --since today`,
  },
);

async function runServe(options: ServeCommandOptions, output: Output): Promise<number> {
  const { hostname, port, path, open, json } = options;
  const { serveReport } = await import("../report/serve_report.ts");
  await withReader(options, async (reader) => {
    const flags = [
      `--allow-read=${dirname(reader.path)}`,
      ...path === undefined
        ? [`--allow-env=${Deno.build.os === "windows" ? "USERPROFILE" : "HOME"}`]
        : [],
      `--allow-net=${hostOf(hostname)}:${port}`,
      ...open ? [OPEN_FLAG] : [],
    ];
    const site = {
      hostname,
      port,
      ...isLoopback(hostname) ? {} : { token: crypto.randomUUID() },
    };
    using interrupt = new Interrupt();
    const { signal } = interrupt;
    await using server = listening(() =>
      serveReport(reader, { ...optionsToReport(options), ...site, signal })
    );
    output.line(
      json
        ? JSON.stringify({ url: server.url, flags })
        : `Serving ${server.url} until Ctrl-C, with no more than ${flags.join(" ")}`,
    );
    await output.flush();
    if (open) await openInBrowser(server.url).catch(tellIfKnown);
    await server.finished;
  }, statusLogger);
  return 0;
}

function listening<T>(serve: () => T): T {
  try {
    return serve();
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) {
      throw new CommandError(`Cannot serve report as the port is in use: ${error.message}`, 1);
    }
    throw error;
  }
}

/** The page is there, whether somebody shows it or not. */
function tellIfKnown(error: unknown): void {
  if (!(error instanceof CommandError)) throw error;
  tell(error.message);
}
