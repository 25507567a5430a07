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
import { dirname } from "../platform/path.ts";
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
  type ShownOptions,
  type TimeOptions,
  timeOptions,
} from "./options.ts";
import type { ReportServer, ServeReportOptions } from "../report/serve_report.ts";
import { optionsToReport, type ReportLookOptions, reportLookOptions } from "./report_options.ts";
import type { Output } from "./terminal.ts";

const DEFAULT_PORT = 8788;
/** The permission flags that a command needs to find its log, by the place from which the path of the log comes. */
const ENV_FLAGS: Readonly<Record<PathSource, readonly string[]>> = {
  "command line": [],
  "SCOUT_PATH": [PATH_FLAG],
  "default": [`--allow-env=${Deno.build.os === "windows" ? "USERPROFILE" : "HOME"}`],
};

/** The address of a server, and the option to open its page. */
export type SiteOptions = {
  readonly hostname: string;
  readonly port: number;
  readonly allowHost: readonly string[];
};

/** The parser of {@linkcode SiteOptions}. */
export const siteOptions: Parser<"sync", SiteOptions, unknown> = object({
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
});

interface ServeCommandOptions extends ReadingOptions, TimeOptions, ReportLookOptions, SiteOptions {}

/** The `scout serve` command. */
export const serveCommand: Parser<"sync", Run, unknown> = command(
  "serve",
  map(
    merge(
      siteOptions,
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
  const { serveReport } = await import("../report/serve_report.ts");
  await withReaders(options, async (readers, logs) => {
    const [{ source, path }] = logs;
    logs.forEach(tellIfAwaited);
    const flags = [`--allow-read=${dirname(path)}`, ...ENV_FLAGS[source]];
    await serveUntilInterrupted(options, { output, flags }, (all) => serveReport(readers, all));
  }, statusLogger);
  return 0;
}

/**
 * Serves a report until Ctrl-C, and prints its address and the permission flags that it needs.
 *
 * @param more.flags The flags for reading the logs.
 * @param serve Starts the server.
 */
export async function serveUntilInterrupted(
  options: SiteOptions & ShownOptions & TimeOptions & ReportLookOptions,
  { output, flags, hosts = [] }: {
    readonly output: Output;
    readonly flags: readonly string[];
    /** Other hosts to which the command connects. */
    readonly hosts?: readonly string[];
  },
  serve: (options: ServeReportOptions) => ReportServer,
): Promise<void> {
  const { hostname, port, open, json } = options;
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
    () => serve({ ...optionsToReport(options), ...site, signal }),
  );
  const net = [...hosts, `${hostOf(hostname)}:${port}`].join(",");
  const needed = [...flags, `--allow-net=${net}`, ...open ? [OPEN_FLAG] : []];
  if (json) output.json({ url: server.url, flags: needed });
  else {
    const shown = shownText(needed.join(" "));
    output.line(`Serving ${server.url} until Ctrl-C; sufficient permissions: ${shown}`);
  }
  await output.flush();
  if (open) await openInBrowser(server.url).catch(tellIfKnown);
  await server.finished;
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
