/**
 * `scout serve`: serves a report on a log over HTTP. The report is updated while other processes write to the log.
 *
 * @module
 */
import { merge, object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, multiple, withDefault } from "@optique/core/modifiers";
import type { Parser } from "@optique/core/parser";
import { command, option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import { dirname } from "@std/path";
import { shownText } from "../shown.ts";
import { hostOf, isLoopback } from "../report/access.ts";
import { type Run, withReaders } from "./command.ts";
import { statusLogger, tell } from "./messages.ts";
import { CommandError } from "./command_error.ts";
import { Interrupt } from "./interrupt.ts";
import { OPEN_FLAG, openInBrowser } from "./open_in_browser.ts";
import { tellIfAwaited } from "./log_kind.ts";
import { PATH_FLAG, type PathSource } from "./log_path.ts";
import {
  countOf,
  type ReadingOptions,
  readingOptions,
  type TimeOptions,
  timeOptions,
} from "./options.ts";
import { optionsToReport, type ReportLookOptions, reportLookOptions } from "./report_options.ts";
import type { Output } from "./terminal.ts";

const DEFAULT_PORT = 8788;
/** The permission flags that a command needs to find its log, by the place from which the path of the log comes. */
const ENV_FLAGS: Readonly<Record<PathSource, readonly string[]>> = {
  "command line": [],
  "SCOUT_PATH": [PATH_FLAG],
  "default": [`--allow-env=${Deno.build.os === "windows" ? "USERPROFILE" : "HOME"}`],
};

interface ServeCommandOptions extends ReadingOptions, TimeOptions, ReportLookOptions {
  readonly hostname: string;
  readonly port: number;
  readonly allowHost: readonly string[];
}

/** The `scout serve` command. */
export const serveCommand: Parser<"sync", Run, unknown> = command(
  "serve",
  map(
    merge(
      object({
        port: withDefault(
          option("--port", countOf("PORT", { min: 0, max: 65_535 }), {
            description: message`Listen on PORT; default 8788, and 0 for any free port`,
          }),
          DEFAULT_PORT,
        ),
        hostname: withDefault(
          option("--hostname", string({ metavar: "HOST" }), {
            description:
              message`Listen on HOST; default 127.0.0.1, which only this machine can reach. For other hosts, the printed URL contains a token`,
          }),
          "127.0.0.1",
        ),
        allowHost: multiple(option("--allow-host", string({ metavar: "NAME" }), {
          description:
            message`Also answer requests for this host name, such as that of a proxy; repeat for more`,
        })),
      }),
      reportLookOptions,
      timeOptions,
      readingOptions,
    ),
    (options): Run => (output) => runServe(options, output),
  ),
  {
    brief: message`Serves the report, updated while the simulation runs`,
    description:
      message`Serves the page of ${"scout report"}, and shows new events within a second. The page can be filtered by agent, model, session, type, reason, text and time, paused, and lists older events. Of a directory with several logs, shows all of them or one. If the log does not exist yet, waits for it. Ctrl-C ends the server.`,
    footer: message`Example: scout serve logs --open --since today`,
  },
);

async function runServe(options: ServeCommandOptions, output: Output): Promise<number> {
  const { hostname, port, open, json } = options;
  const { serveReport } = await import("../report/serve_report.ts");
  await withReaders(options, async (readers, logs) => {
    const [{ source, path }] = logs;
    logs.forEach(tellIfAwaited);
    const flags = [
      `--allow-read=${dirname(path)}`,
      ...ENV_FLAGS[source],
      `--allow-net=${hostOf(hostname)}:${port}`,
      ...open ? [OPEN_FLAG] : [],
    ];
    const site = {
      hostname,
      port,
      allowHosts: options.allowHost,
      ...isLoopback(hostname) ? {} : { token: crypto.randomUUID() },
    };
    using interrupt = new Interrupt();
    const { signal } = interrupt;
    await using server = listening(
      { hostname, port },
      () => serveReport(readers, { ...optionsToReport(options), ...site, signal }),
    );
    if (json) output.json({ url: server.url, flags });
    else {
      const shown = shownText(flags.join(" "));
      output.line(`Serving ${server.url} until Ctrl-C; sufficient permissions: ${shown}`);
    }
    await output.flush();
    if (open) await openInBrowser(server.url).catch(tellIfKnown);
    await server.finished;
  }, statusLogger);
  return 0;
}

function listening<T>({ hostname, port }: Deno.ListenOptions, serve: () => T): T {
  try {
    return serve();
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) {
      throw new CommandError(
        `Cannot serve report: ${hostname}:${port} is in use; choose another --port`,
        1,
      );
    }
    throw error;
  }
}

/**
 * Reports a {@linkcode CommandError}, which means that the browser could not be opened, and lets the server continue.
 * Rethrows any other error.
 */
function tellIfKnown(error: unknown): void {
  if (!(error instanceof CommandError)) throw error;
  tell(error.message);
}
