/**
 * Serves a report as a page that is updated while the log grows.
 *
 * @module
 */
import type { AuditReader } from "../audit_reader.ts";
import { withFlags } from "../errors.ts";
import { nonEmptyText, type OptionChecks } from "../options/option_checks.ts";
import { type Clock, systemClock } from "../platform/clock.ts";
import { hostOf, isLoopback, refusalOf, type Site } from "./access.ts";
import { LISTED_EVENTS_MAX, liveControls } from "./live_controls.ts";
import { LiveReports, type ServedReport } from "./live_reports.ts";
import { type LiveSource, ReaderSource } from "./live_source.ts";
import { LIVE_SCRIPT } from "./live_script.ts";
import { type ReportOptions, resolveReportOptions } from "./options.ts";
import { page, policyOf } from "./page.ts";
import { filteredOptions, parseFilter, type ReportFilter } from "./report_filter.ts";
import { eventsList } from "./tables.ts";
import { updateStream, versionText } from "./update_stream.ts";

const DEFAULT_HOSTNAME = "127.0.0.1";
/**
 * Maximum number of open update streams. Each open page has one stream. Pages above this number are shown, but get no
 * updates.
 */
const CONNECTIONS_MAX = 100;
/**
 * Maximum time in milliseconds that an ending server waits for browsers to disconnect. Then the server closes the
 * connections.
 */
const GOODBYE_MS = 1_000;

/** The time range and the look of a report, and the address of its server. */
export interface ServeReportOptions extends ReportOptions {
  /**
   * The hostname or IP address to listen on. With the default, only this machine can reach the server.
   *
   * @default {"127.0.0.1"}
   */
  hostname?: string;
  /**
   * The port to listen on, from 0 to 65,535. With 0, the system chooses a free port.
   *
   * @default {0}
   */
  port?: number;
  /**
   * The token that a browser needs to see the report; {@linkcode ReportServer.url} contains the token. This option is
   * required if other machines can reach `hostname`. Without this option, requests do not need a token.
   *
   * @default {undefined}
   */
  token?: string;
  /**
   * Further host names that a browser may use for the server, with any port, such as the name of a proxy or of a
   * container. A request with the right token may use any name.
   *
   * @default {[]}
   */
  allowHosts?: readonly string[];
}

/** A report that is being served. */
export interface ReportServer extends AsyncDisposable {
  /** The URL of the page. If a token is needed, the URL contains the token. */
  readonly url: string;
  /** Resolves when the server has ended. Rejects if the server has ended because reading the log failed. */
  readonly finished: Promise<void>;
  /**
   * Ends the server.
   *
   * @returns A promise that settles like {@linkcode ReportServer.finished}.
   */
  close(): Promise<void>;
}

const SITE_OPTION_CHECKS: OptionChecks<Omit<ServeReportOptions, keyof ReportOptions>> = {
  hostname: nonEmptyText,
  port: {
    must: "an integer from 0 to 65535",
    isOfType: (value) => typeof value === "number",
    isInRange: (value: number) => Number.isInteger(value) && value >= 0 && value <= 65_535,
  },
  token: nonEmptyText,
  allowHosts: {
    must: "an array of host names",
    isOfType: (value) =>
      Array.isArray(value) && value.every((each) => typeof each === "string" && each !== ""),
  },
};

/**
 * Maximum time in milliseconds that the first page of a report waits until all existing events are read. After that, the
 * page says that its figures are not complete.
 */
const FIRST_PAGE_MS = 1_000;
/** Maximum number of lists of events that are read at the same time. */
const LISTS_MAX = 4;
/** The paths of the page, of its updates, and of a list of its last events. */
const PATHS = ["/", "/events", "/last"];
/** The query parameters that are not part of the filter of a page. */
const OTHER_PARAMETERS = ["from", "count", "token"];
const TOO_MANY_FILTERS =
  "Too many pages with different filters are open. Close one of them and reload this page.";
const HTML = { "content-type": "text/html; charset=utf-8" } as const;

/** The headers that every response of the server has. */
const HEADERS = {
  "content-security-policy": `${policyOf(LIVE_SCRIPT)}; frame-ancestors 'none'`,
  "cache-control": "no-store",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
} as const;

/**
 * Serves the report of `renderReport()` as a page that updates itself. While the page is open, each event appears
 * within a second after a process has written it. This continues when the log is rotated.
 *
 * The page can be filtered by agent, model, session, type, reason of failure, text and time. A filter is part of the
 * address, and a click on a bar or on a name in a table adds to it. At most eight filters are followed at the same time.
 *
 * The server accepts only GET requests, and serves only the page and its updates. The `Host` header of a request must
 * name the server (see `allowHosts`), unless the request has the right token. The server ends when `close()` is called,
 * when `signal` is aborted, or when the reader is closed. Needs `--allow-net=HOSTNAME:PORT` and the permissions of the
 * reader.
 *
 * @param readers The reader of the log, or the readers of several logs, of which the page shows all or one. The server
 *   does not close them.
 * @param options The time range and the look of the report, and the address of the server.
 * @returns The running server; close it, or declare it with `await using`.
 * @throws {TypeError} If an option is unknown or of the wrong type, or a required token is missing; the message
 *   names the option.
 * @throws {RangeError} If an option is out of its range; the message names it.
 * @throws {DOMException} If `signal` is already aborted without a reason. If it has a reason, that reason is thrown.
 * @throws {Deno.errors.NotCapable} If a permission is missing; the message names its flag.
 * @throws {Deno.errors.AddrInUse} If another server uses the port.
 *
 * @example
 * ```ts
 * import { AuditReader } from "@vivarium/scout";
 * import { serveReport } from "@vivarium/scout/report";
 * import { assertEquals } from "@std/assert";
 *
 * const path = `${Deno.makeTempDirSync()}/audit.jsonl`;
 * await using reader = await AuditReader.open({ path });
 * await using server = serveReport(reader, { title: "The run of today" });
 * const response = await fetch(server.url);
 * assertEquals((await response.text()).includes("The run of today"), true);
 * ```
 */
export function serveReport(
  readers: AuditReader | readonly AuditReader[],
  options: ServeReportOptions = {},
): ReportServer {
  return serveReportBy(systemClock, readers, options);
}

/**
 * Serves a report like {@linkcode serveReport}, but measures time with `clock`.
 *
 * @internal
 */
export function serveReportBy(
  clock: Clock,
  readers: AuditReader | readonly AuditReader[],
  options: ServeReportOptions,
): ReportServer {
  resolveReportOptions(options, SITE_OPTION_CHECKS);
  return serveSource(clock, new ReaderSource(readers), options);
}

/**
 * Serves a report on the logs of a source.
 *
 * @internal
 */
export function serveSource(
  clock: Clock,
  source: LiveSource,
  options: ServeReportOptions,
): ReportServer {
  const { signal } = options;
  const resolved = resolveReportOptions(options, SITE_OPTION_CHECKS);
  const wanted = checkedSite(options);
  signal?.throwIfAborted();
  const ending = new AbortController();
  const reports = new LiveReports(resolved, { source, clock, ending: ending.signal });
  let connections = 0;
  let lists = 0;

  async function answer(request: Request): Promise<Response> {
    const refusal = refusalOf(request, site);
    if (refusal !== null) return refusal;
    const { pathname, searchParams } = new URL(request.url);
    if (!PATHS.includes(pathname)) return new Response("Not found.", { status: 404 });
    let filter: ReportFilter;
    try {
      const { timeZone } = resolved;
      const { names: logs } = source;
      filter = parseFilter(searchParams, { timeZone, others: OTHER_PARAMETERS, logs });
    } catch (error) {
      if (error instanceof RangeError) return new Response(error.message, { status: 400 });
      throw error;
    }
    if (pathname === "/last") {
      if (lists === LISTS_MAX) return new Response("Too many lists of events.", { status: 503 });
      lists++;
      try {
        return await lastEvents(filter, searchParams);
      } finally {
        lists--;
      }
    }
    const report = reports.use(filter);
    if (report === null) return new Response(TOO_MANY_FILTERS, { status: 503 });
    if (pathname === "/") {
      using _used = report;
      return await pageOf(report);
    }
    if (connections === CONNECTIONS_MAX) {
      report[Symbol.dispose]();
      return new Response("Too many open pages.", { status: 503 });
    }
    connections++;
    const { live, id, ended } = report;
    const from = request.headers.get("last-event-id") ?? searchParams.get("from") ?? "";
    const stream = updateStream(live, { from, reportId: id, signal: ended }, () => {
      connections--;
      report[Symbol.dispose]();
    });
    return new Response(stream, { headers: { "content-type": "text/event-stream" } });
  }

  async function pageOf({ live, id, filter }: ServedReport): Promise<Response> {
    await live.settled(FIRST_PAGE_MS);
    const { version, sections, names } = await live.current();
    const origin = { log: source.shown(filter), madeMs: Date.now() };
    const parts = {
      script: LIVE_SCRIPT,
      version: versionText(version, id),
      controls: liveControls(filter, names),
    };
    const body = page(resolved, sections, { origin, live: parts });
    return new Response(body, { headers: HTML });
  }

  /** Resolves with a table of the last events, as many as the page asks for. */
  async function lastEvents(
    filter: ReportFilter,
    params: URLSearchParams,
  ): Promise<Response> {
    const count = Number(params.get("count"));
    if (!Number.isInteger(count) || count < 1 || count > LISTED_EVENTS_MAX) {
      const message =
        `Cannot list events: count must be an integer from 1 to ${LISTED_EVENTS_MAX}, got ${
          JSON.stringify(params.get("count"))
        }`;
      return new Response(message, { status: 400 });
    }
    const options = filteredOptions(resolved, filter);
    const events = await source.last(filter, options, { count, signal: ending.signal });
    return new Response(eventsList(events, options.timeZone).text, { headers: HTML });
  }

  const hard = new AbortController();
  const { hostname, port } = wanted;
  const server = listen({ hostname, port, signal: hard.signal }, async (request) => {
    const response = await answer(request);
    for (const [name, value] of Object.entries(HEADERS)) response.headers.set(name, value);
    return response;
  });
  const site = { ...wanted, port: server.addr.port };

  async function run(): Promise<void> {
    try {
      await reports.finished;
    } catch (error) {
      if (!ending.signal.aborted) throw error;
    } finally {
      ending.abort();
      let isShutDown = false;
      // If the server has just shut down, the turn lets its promise resolve first. An abort after that would throw.
      const timer = clock.startTimer(GOODBYE_MS, async () => {
        await clock.turn();
        if (!isShutDown) hard.abort();
      });
      await server.shutdown();
      isShutDown = true;
      timer.cancel();
    }
  }

  const finished = run();
  const end = () => ending.abort();
  signal?.addEventListener("abort", end, { once: true });
  const removeListener = () => signal?.removeEventListener("abort", end);
  finished.then(removeListener, removeListener);
  const close = () => {
    end();
    return finished;
  };
  return {
    url: urlOf(site),
    finished,
    close,
    [Symbol.asyncDispose]: close,
  };
}

function checkedSite(
  { hostname = DEFAULT_HOSTNAME, port = 0, token, allowHosts = [] }: ServeReportOptions,
): Site {
  if (token === undefined && !isLoopback(hostname)) {
    throw new TypeError(
      `Cannot serve report: a token is required if other machines can reach the hostname, got ${hostname}; set the option token`,
    );
  }
  return { hostname, port, token: token ?? null, allowHosts: [...allowHosts] };
}

function listen(
  site: { hostname: string; port: number; signal: AbortSignal },
  answer: (request: Request) => Promise<Response>,
): Deno.HttpServer<Deno.NetAddr> {
  try {
    return Deno.serve({ ...site, onListen() {} }, answer);
  } catch (error) {
    const flag = `--allow-net=${hostOf(site.hostname)}:${site.port}`;
    throw withFlags(error, [flag], { action: "Cannot serve report" });
  }
}

function urlOf({ hostname, port, token }: Site): string {
  const url = new URL(`http://${hostOf(hostname)}:${port}/`);
  if (token !== null) url.searchParams.set("token", token);
  return url.href;
}
