/**
 * `scout fleet`: what commands tell of a log, of the logs of a fleet.
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
import type { FleetStatusOptions } from "../fleet/fleet_status.ts";
import { type Run, tell } from "./command.ts";
import { type ServerOptions, serverOptions, withConnection } from "./fleet_connection.ts";
import { fleetStatusLines } from "./fleet_status.ts";
import {
  fieldsToQuery,
  optionsToQuery,
  type ShownOptions,
  shownOptions,
  sinceOption,
} from "./options.ts";
import { type QuestionOptions, questionOptions, tellEvents } from "./query.ts";
import { type ReportFileOptions, reportFileOptions, writeReport } from "./report.ts";
import { type SpendOptions, spendOptions, spendQuery, tellSpend } from "./spend.ts";
import { type TailOptions, tailOptions, tellAtOnce } from "./tail.ts";
import { chooseColor, type Output } from "./terminal.ts";
import type { When } from "./when.ts";

/** Which logs, and how they are told of. */
type FleetOptions = ServerOptions & ShownOptions & { readonly log: string | undefined };

const fleetOptions: Parser<"sync", FleetOptions, unknown> = merge(
  object({
    log: optional(option("--log", string({ metavar: "NAME" }), {
      description: message`Of this log alone`,
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
    brief: message`How the logs stand: how far they are shipped, how late, and what is missing`,
    description:
      message`Reads the headers of what was shipped, all of it unless --since says otherwise. How far a log is behind is what its shipper said when it sent last.`,
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
    brief: message`The events that match, each with its log`,
    description:
      message`Gives the events in the order in which they were shipped. With --desc all that match are gathered first, or the last --limit of them.`,
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
    brief: message`The last events, and with -f those that come`,
    description:
      message`Shows the last events that match, in the order in which they were shipped. With -f it goes on with those that come.`,
    footer: message`Example: scout fleet tail ${text(EXAMPLE)} --follow`,
  },
);

const spend = command(
  "spend",
  map(
    merge(spendOptions(["log"]), fleetOptions),
    (options): Run => (output) => runSpend(options, output),
  ),
  {
    brief: message`What the events cost, by hour, day, model, event, session or log`,
    description:
      message`Sums up the costs in USD of the events that match, those of the last 24 hours unless --since says otherwise.`,
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
    brief: message`A report to look at, in one HTML file`,
    description:
      message`Shows all events, unless --since or --until says otherwise, and what is missing. Writing it needs --allow-read and --allow-write for the file.`,
    footer: message`Example: scout fleet report ${text(EXAMPLE)} --since yesterday --budget 5`,
  },
);

/** The command. */
export const fleetCommand: Parser<"sync", Run, unknown> = command(
  "fleet",
  or(status, query, tail, spend, report),
  {
    brief: message`Status, events, spend and report of the logs of a fleet`,
    description:
      message`Reads what machines have shipped into a stream of NATS JetStream. Needs --allow-net for the server, and --allow-read for the files of its options.`,
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
  if (logs.length === 0) tell(`Nothing was shipped: ${log === undefined ? fleet : log}`);
  if (json) output.line(JSON.stringify({ fleet, stream, logs }));
  else for (const line of fleetStatusLines(logs, timeZone)) output.line(line);
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
  let given = 0;
  if (limit === 0) return;
  for await (const event of events) {
    yield event;
    if (++given === limit) return;
  }
}

async function runTail(options: FleetOptions & TailOptions, output: Output): Promise<number> {
  const { lines: last, follow } = options;
  await withFleet(
    options,
    { ...fieldsToQuery(options), last, follow },
    (events) => (follow ? tellAtOnce : tellEvents)(events, options, output),
  );
  return 0;
}

async function runSpend(options: FleetOptions & SpendOptions, output: Output): Promise<number> {
  const { since, query } = spendQuery(options);
  await withFleet(
    options,
    query,
    (events) => tellSpend(events, { ...options, since }, output),
  );
  return 0;
}

function runReport(options: FleetOptions & ReportFileOptions, output: Output): Promise<number> {
  return writeReport(
    options,
    output,
    (render, range) => withFleet(options, range, (events) => render(events)),
  );
}

/** Asks a fleet, and tells what is missing of what was read. */
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
      tell(`bytes ${byteOffset} to ${byteOffset + byteLength} of log ${path}: ${reason}`);
    }
    return result;
  });
}

/** Which logs, for who asks for them. */
type FleetPlace = Pick<FleetStatusOptions, "connection" | "fleet" | "stream" | "log">;

/** Connects to a fleet with the options of its command. */
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
