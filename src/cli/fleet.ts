/**
 * `scout fleet`: runs read-only commands on the logs of a fleet, which many machines ship to a NATS server.
 *
 * @module
 */
import { merge, object, or } from "@optique/core/constructs";
import { message, text } from "@optique/core/message";
import { map, optional } from "@optique/core/modifiers";
import type { Parser } from "@optique/core/parser";
import { command, option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import type { FleetQuery, FleetQueryOptions } from "../fleet/fleet_events.ts";
import type { Run } from "./command.ts";
import { tell } from "./messages.ts";
import { hostsOf, type ServerOptions, serverOptions, withConnection } from "./fleet_connection.ts";
import { fleetStatusLines } from "./fleet_status.ts";
import {
  fieldsToQuery,
  optionsToQuery,
  type ShownOptions,
  shownOptions,
  sinceOption,
  type TimeOptions,
  timeOptions,
} from "./options.ts";
import { type QuestionOptions, questionOptions, tellEvents } from "./query.ts";
import { type ReportFileOptions, reportFileOptions, writeReport } from "./report.ts";
import { type ReportLookOptions, reportLookOptions } from "./report_options.ts";
import { serveUntilInterrupted, type SiteOptions, siteOptions } from "./serve.ts";
import { spend } from "../stats/spend.ts";
import { type SpendOptions, spendOptions, spendQuery, tellSpend } from "./spend.ts";
import { type TailOptions, tailOptions, tellAtOnce } from "./tail.ts";
import type { FleetPlace } from "./fleet_source.ts";
import { systemClock } from "../platform/clock.ts";
import { chooseColor, columns, type Output } from "./terminal.ts";
import { unexpectedInput } from "./usage_error.ts";
import type { When } from "./when.ts";

/** The options that all `scout fleet` commands share. */
type FleetOptions = ServerOptions & ShownOptions & { readonly log: string | undefined };

const fleetOptions: Parser<"sync", FleetOptions, unknown> = merge(
  object({
    log: optional(option("--log", string({ metavar: "NAME" }), {
      description: message`Read only this log`,
    })),
  }),
  serverOptions,
  shownOptions,
);

const EXAMPLE = "--server 127.0.0.1:4222 --fleet mine";

const status = command(
  "status",
  map(
    merge(object({ since: sinceOption }), fleetOptions),
    (options): Run => (output) => runStatus(options, output),
  ),
  {
    brief: message`Shows position, lag and gaps of each log`,
    description:
      message`Reads the headers of all shipped blocks, or of the blocks shipped since --since. The lag of a log is the lag that its shipper reported with the last block.`,
    footer: message`Example: scout fleet status ${text(EXAMPLE)}`,
  },
);

const query = command(
  "query",
  map(
    merge(questionOptions, fleetOptions),
    (options): Run => (output) => runQuery(options, output),
  ),
  {
    brief: message`Shows the events that match, each with its log`,
    description:
      message`Shows the events in the order in which they were shipped. With --desc, first loads all matching events, or the last --limit of them, into memory.`,
    footer: message`Example: scout fleet query ${text(EXAMPLE)} --since 3h --json | jq .scout_log`,
  },
);

const tail = command(
  "tail",
  map(
    merge(tailOptions, fleetOptions),
    (options): Run => (output) => runTail(options, output),
  ),
  {
    brief: message`Shows the last events, and with -f new ones`,
    description:
      message`Shows the last events that match, in the order in which they were shipped. With -f, also shows new events as they are shipped.`,
    footer: message`Example: scout fleet tail ${text(EXAMPLE)} --follow`,
  },
);

const spendCommand = command(
  "spend",
  map(
    merge(spendOptions, fleetOptions),
    (options): Run => (output) => runSpend(options, output),
  ),
  {
    brief: message`Sums up costs by hour, by log, or by any field`,
    description:
      message`Sums up the costs in USD of the events that match, in the last 24 hours (with --by day, 30 days) or since --since.`,
    footer: message`Example: scout fleet spend ${text(EXAMPLE)} --by log --since 2w`,
  },
);

const report = command(
  "report",
  map(
    merge(reportFileOptions, fleetOptions),
    (options): Run => (output) => runReport(options, output),
  ),
  {
    brief: message`Writes a self-contained HTML report`,
    description:
      message`Shows all events, or the events between --since and --until, and the gaps in the logs. Needs --allow-read and --allow-write for the file.`,
    footer: message`Example: scout fleet report ${text(EXAMPLE)} --since yesterday --budget 5`,
  },
);

const serve = command(
  "serve",
  map(
    merge(siteOptions, reportLookOptions, timeOptions, fleetOptions),
    (options): Run => (output) => runServe(options, output),
  ),
  {
    brief: message`Serves the report, updated while logs are shipped`,
    description:
      message`Serves the page of ${"scout fleet report"}, and shows new events when they are shipped. The page shows all logs or one, and can be filtered like that of ${"scout serve"}. Logs that are new in the fleet can be chosen after a restart. Ctrl-C ends the server.`,
    footer: message`Example: scout fleet serve ${text(EXAMPLE)} --since today`,
  },
);

/** The `scout fleet` command. */
export const fleetCommand: Parser<"sync", Run, unknown> = command(
  "fleet",
  or(status, query, tail, spendCommand, report, serve, { errors: { unexpectedInput } }),
  {
    brief: message`Reads the logs of a fleet: status, query, tail, spend, report, serve`,
    footer: message`Show the help of a command: scout fleet COMMAND -h`,
    description:
      message`Reads the logs that machines have shipped to a NATS JetStream stream. Needs --allow-net for the server, and --allow-read for the files of its options.`,
  },
);

async function runStatus(
  options: FleetOptions & { readonly since: When | undefined },
  output: Output,
): Promise<number> {
  const { fleet, log, stream, json, timeZone } = options;
  const since = options.since?.(Temporal.Now.zonedDateTimeISO(timeZone));
  const { fleetStatus } = await import("../fleet/fleet_status.ts");
  const logs = await withPlace(options, (place) => {
    return fleetStatus({ ...place, ...since === undefined ? {} : { since } });
  });
  if (logs.length === 0) {
    tell(`nothing was shipped ${log === undefined ? "" : `from log ${log} `}to fleet ${fleet}`);
  }
  if (json) output.json({ fleet, stream, logs });
  else {
    // If standard output is not a terminal, the width of the table is not limited, because another program may read it.
    const width = output.isTerminal ? columns() : Infinity;
    for (const line of fleetStatusLines(logs, timeZone, width)) output.line(line);
  }
  await output.flush();
  return logs.length === 0 ? 1 : 0;
}

async function runQuery(options: FleetOptions & QuestionOptions, output: Output): Promise<number> {
  const { limit, desc } = options;
  const asked = optionsToQuery(options, Temporal.Now.zonedDateTimeISO(options.timeZone));
  const last = desc ? { last: limit ?? Infinity } : {};
  await withFleet(options, { ...asked, ...last }, async (events) => {
    const wanted = desc ? (await Array.fromAsync(events)).reverse() : first(events, limit);
    await tellEvents(wanted, options, output);
  });
  return 0;
}

async function* first<T>(events: AsyncIterable<T>, limit = Infinity): AsyncGenerator<T> {
  let count = 0;
  if (limit === 0) return;
  for await (const event of events) {
    yield event;
    if (++count === limit) return;
  }
}

async function runTail(options: FleetOptions & TailOptions, output: Output): Promise<number> {
  const { lines: last, follow } = options;
  await withFleet(
    options,
    { ...fieldsToQuery(options), last, follow },
    async (events) => {
      if (follow) await tellAtOnce(events, options, output);
      else await tellEvents(events, options, output);
    },
  );
  return 0;
}

async function runSpend(options: FleetOptions & SpendOptions, output: Output): Promise<number> {
  const now = Temporal.Now.zonedDateTimeISO(options.timeZone);
  const { since, query } = spendQuery(options, now);
  await withFleet(
    options,
    query,
    async (events) => {
      const { by, timeZone } = options;
      return await tellSpend(await spend(events, { by, timeZone }), { ...options, since }, output);
    },
  );
  return 0;
}

function runReport(options: FleetOptions & ReportFileOptions, output: Output): Promise<number> {
  const { fleet, log } = options;
  const name = log === undefined ? `fleet ${fleet}` : `${log} of the fleet ${fleet}`;
  return writeReport(
    options,
    output,
    (render, query) =>
      withFleet(options, query, (events) => render(events, { name, hasLogs: log === undefined })),
  );
}

async function runServe(
  options: FleetOptions & SiteOptions & TimeOptions & ReportLookOptions,
  output: Output,
): Promise<number> {
  const [{ serveSource }, { fleetEvents }, { fleetStatus }, { FleetSource }] = await Promise.all([
    import("../report/serve_report.ts"),
    import("../fleet/fleet_events.ts"),
    import("../fleet/fleet_status.ts"),
    import("./fleet_source.ts"),
  ]);
  await withPlace(options, async (place) => {
    const names = (await fleetStatus(place)).map(({ log }) => log);
    const source = new FleetSource(place, { names, query: fleetEvents });
    const hosts = hostsOf(options);
    await serveUntilInterrupted(
      options,
      { output, flags: [], hosts },
      (all) => serveSource(systemClock, source, all),
    );
  });
  return 0;
}

/**
 * Calls `work` with the events of a fleet, and resolves with the result of `work`. Then reports unreadable lines and
 * gaps (bytes of logs that are missing in the stream) on standard error.
 */
async function withFleet<T>(
  options: FleetOptions,
  asked: Omit<FleetQueryOptions, keyof FleetPlace>,
  work: (events: FleetQuery) => Promise<T>,
): Promise<T> {
  const { fleetEvents } = await import("../fleet/fleet_events.ts");
  return await withPlace(options, async (place) => {
    const events = fleetEvents({ ...asked, ...place });
    const result = await work(events);
    for (const { path, byteOffset, byteLength, reason } of events.damage) {
      tell(`skipped bytes ${byteOffset} to ${byteOffset + byteLength} of log ${path}: ${reason}`);
    }
    return result;
  });
}

/** Connects to a fleet, calls `work` with the connection, and resolves with the result of `work`. */
function withPlace<T>(
  options: FleetOptions,
  work: (place: FleetPlace) => Promise<T>,
): Promise<T> {
  const { fleet, log, stream, json, color } = options;
  chooseColor(json ? "never" : color);
  return withConnection(
    options,
    (connection) => work({ connection, fleet, stream, ...log === undefined ? {} : { log } }),
  );
}
