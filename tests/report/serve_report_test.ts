import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { AuditLog, AuditReader } from "@vivarium/scout";
import { type ReportServer, serveReport, type ServeReportOptions } from "@vivarium/scout/report";
import { silent } from "../loggers.ts";
import { tempDir } from "../temp_dir.ts";

/** A log, and a server of the live report on this log. */
class Served implements AsyncDisposable {
  readonly #stack: AsyncDisposableStack;
  readonly log: AuditLog;
  readonly reader: AuditReader;
  readonly server: ReportServer;

  private constructor(
    stack: AsyncDisposableStack,
    parts: Pick<Served, "log" | "reader" | "server">,
  ) {
    this.#stack = stack;
    ({ log: this.log, reader: this.reader, server: this.server } = parts);
  }

  static async start(options: ServeReportOptions = {}, now = Date.now): Promise<Served> {
    const stack = new AsyncDisposableStack();
    const path = stack.use(tempDir()).path("audit.jsonl");
    const log = stack.use(await AuditLog.open({ path, now, logger: silent }));
    const reader = stack.use(await AuditReader.open({ path, logger: silent }));
    const server = stack.use(serveReport(reader, options));
    return new Served(stack, { log, reader, server });
  }

  get port(): number {
    return Number(new URL(this.server.url).port);
  }

  /**
   * Sends the lines of an HTTP request unchanged, unlike `fetch()`, which sets its own Host header. Resolves with the
   * whole response.
   */
  async answerTo(...lines: readonly string[]): Promise<string> {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port: this.port });
    const request = [...lines, "Connection: close", "", ""].join("\r\n");
    const writer = connection.writable.getWriter();
    await writer.write(new TextEncoder().encode(request));
    return await new Response(connection.readable).text();
  }

  /** Resolves with the status of the response to a request with the Host header `host`. */
  async statusFor(host: string, path = "/"): Promise<number> {
    const answer = await this.answerTo(`GET ${path} HTTP/1.1`, `Host: ${host}`);
    return Number(answer.split(" ")[1]);
  }

  async page(filter = ""): Promise<string> {
    return await (await fetch(new URL(`?${filter}`, this.server.url))).text();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

/** The stream of updates that the server sends to an open page. */
class Updates implements AsyncDisposable {
  readonly #reader: ReadableStreamDefaultReader<string>;
  #text = "";

  private constructor(response: Response) {
    this.#reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  }

  static async from(served: Served, version: string, filter = ""): Promise<Updates> {
    const url = new URL(`events?${filter}&from=${version}`, served.server.url);
    const response = await fetch(url);
    assertEquals(response.headers.get("content-type"), "text/event-stream");
    return new Updates(response);
  }

  /** Resolves with the next block of lines of the update stream. */
  async next(): Promise<string> {
    while (!this.#text.includes("\n\n")) {
      const { value, done } = await this.#reader.read();
      assert(!done, "the stream ended early");
      this.#text += value;
    }
    const [block = "", ...rest] = this.#text.split("\n\n");
    this.#text = rest.join("\n\n");
    return block;
  }

  /** Resolves with the version and the sections of the next update. */
  async update(): Promise<{ id: string; sections: Record<string, string> }> {
    const [, id = "", data = ""] =
      /^id: (\S+)\nevent: sections\ndata: (.*)$/.exec(await this.next()) ?? [];
    return { id, sections: JSON.parse(data) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader.cancel();
  }
}

/** Returns a clock for a log whose events are one second apart. */
function clockFrom(start: string): () => number {
  let ms = Date.parse(start);
  return () => ms += 1_000;
}

function versionOf(page: string): string {
  return /data-version="([^"]+)"/.exec(page)![1]!;
}

function eventCount(page: string): string {
  return /<b id="event-count">([^<]*)</.exec(page)![1]!;
}

Deno.test(
  "serveReport() serves the current page, with a policy that permits only its own script",
  async () => {
    await using served = await Served.start({ title: "Now", budgetPerHour: 2 });
    assertEquals(eventCount(await served.page()), "0");
    await served.log.log("nav", { cost: 0.25 });
    await using updates = await Updates.from(served, "");
    assertEquals(await updates.next(), "retry: 1000");
    while ((await updates.update()).sections.figures?.includes("$0.25") !== true);
    const response = await fetch(served.server.url);
    assertEquals(eventCount(await response.text()), "1");
    const policy = response.headers.get("content-security-policy") ?? "";
    assertMatch(policy, /^default-src 'none'; .*script-src 'sha256-[^']+'; connect-src 'self'/);
    assert(policy.includes("frame-ancestors 'none'") && !policy.includes("unsafe"), policy);
    assertEquals(response.headers.get("cache-control"), "no-store");
    assertEquals(response.headers.get("access-control-allow-origin"), null);
  },
);

Deno.test(
  "serveReport() accepts only GET requests, and serves only the page and its updates",
  async () => {
    await using served = await Served.start();
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "HEAD"]) {
      const response = await fetch(served.server.url, { method });
      assertEquals([response.status, response.headers.get("allow")], [405, "GET"]);
      assert(response.headers.get("content-security-policy") !== null);
      await response.body?.cancel();
    }
    for (
      const path of [
        "audit.jsonl",
        "../audit.jsonl",
        "%2e%2e/audit.jsonl",
        "favicon.ico",
        "events/",
      ]
    ) {
      assertEquals(await served.statusFor(`127.0.0.1:${served.port}`, `/${path}`), 404, path);
    }
  },
);

Deno.test("serveReport() rejects requests whose Host header does not name the server", async () => {
  await using served = await Served.start();
  const { port } = served;
  for (
    const host of [
      ...[`127.0.0.1:${port}`, `localhost:${port}`, `LOCALHOST:${port}`, `[::1]:${port}`],
      // A tunnel may forward another port to the server, so the server accepts any port in the Host header.
      ...["127.0.0.1", "localhost:9999", `127.0.0.1:${port + 1}`, "[::1]:80"],
    ]
  ) {
    assertEquals(await served.statusFor(host), 200, host);
  }
  const others = [
    "attacker.example",
    `attacker.example:${port}`,
    `127.0.0.1.attacker.example:${port}`,
    `localhost.:${port}`,
    `0.0.0.0:${port}`,
    `user@127.0.0.1:${port}`,
    "",
  ];
  for (const host of others) {
    const status = await served.statusFor(host);
    assert(status === 421 || status === 400, `${host}: ${status}`);
    assert((await served.statusFor(host, "/events")) !== 200, host);
  }
});

Deno.test("serveReport() refuses the requests that a page of another site makes, other than by a link", async () => {
  await using served = await Served.start();
  const statusOf = async (headers: readonly string[]) => {
    const host = `Host: 127.0.0.1:${served.port}`;
    return Number(
      (await served.answerTo("GET /?agent=a HTTP/1.1", host, ...headers)).split(" ")[1],
    );
  };
  const site = "Sec-Fetch-Site: cross-site";
  for (const dest of ["image", "iframe", "empty", "script"]) {
    assertEquals(await statusOf([site, `Sec-Fetch-Dest: ${dest}`]), 403, dest);
  }
  assertEquals(await statusOf([site]), 403);
  const ahead = ["Sec-Fetch-Site: none", "Sec-Fetch-Dest: document", "Sec-Purpose: prefetch"];
  assertEquals(await statusOf(ahead), 403);
  assertEquals(await statusOf([site, "Sec-Fetch-Dest: document"]), 200);
  assertEquals(await statusOf(["Sec-Fetch-Site: same-origin", "Sec-Fetch-Dest: empty"]), 200);
});

Deno.test(
  "serveReport() requires a token if other machines can reach the server",
  async () => {
    using dir = tempDir();
    await using reader = await AuditReader.open({ path: dir.path("audit.jsonl") });
    for (const hostname of ["0.0.0.0", "::", "example.org", "192.168.1.2"]) {
      assertThrows(() => serveReport(reader, { hostname }), TypeError, "a token is required");
    }
    const token = "a token; with = odd & signs";
    await using served = await Served.start({ hostname: "0.0.0.0", token });
    const { port, server } = served;
    assertEquals(new URL(server.url).searchParams.get("token"), token);
    const ask = (path: string, headers: Record<string, string> = {}) =>
      fetch(`http://127.0.0.1:${port}${path}`, { headers, redirect: "manual" });
    const refused: [string, Record<string, string>][] = [
      ["/", {}],
      ["/events", {}],
      ["/?token=other", {}],
      ["/?token=", {}],
      ["/", { authorization: "Bearer other" }],
      ["/", { cookie: `scout_report_${port}=other` }],
      ["/", { cookie: `scout_report_${port}=%zz` }],
      ["/", { cookie: `scout_report_${port + 1}=${encodeURIComponent(token)}` }],
    ];
    for (const [path, headers] of refused) {
      const response = await ask(path, headers);
      assertEquals(response.status, 401, path);
      assert(!(await response.text()).includes("<"), path);
    }
    const first = await ask(`/?token=${encodeURIComponent(token)}`);
    assertEquals([first.status, first.headers.get("location")], [303, "/"]);
    await first.body?.cancel();
    const filtered = await ask(`/?agent=a%26b&token=${encodeURIComponent(token)}`);
    assertEquals(filtered.headers.get("location"), "/?agent=a%26b");
    await filtered.body?.cancel();
    const cookie = first.headers.get("set-cookie") ?? "";
    assertMatch(cookie, /; HttpOnly; SameSite=Lax; Path=\/$/);
    const known: Record<string, string>[] = [
      { cookie: `a=b; ${cookie.split("; ")[0]}` },
      { authorization: `Bearer ${token}` },
    ];
    for (const headers of known) {
      const response = await ask("/", headers);
      assertEquals(response.status, 200);
      await response.body?.cancel();
    }
    assertEquals(await served.statusFor(`attacker.example:${port}`), 421);
    // A request with the right token is accepted under any host name.
    const url = `/?token=${encodeURIComponent(token)}`;
    assertEquals(await served.statusFor("proxy.example", url), 303);
    assertEquals(await served.statusFor("proxy.example", "/?token=wrong"), 421);
  },
);

Deno.test("serveReport() answers requests for the names in allowHosts, with any port", async () => {
  await using served = await Served.start({ allowHosts: ["Scout.example", "10.0.0.7"] });
  for (const host of ["scout.example", "SCOUT.EXAMPLE:9999", "10.0.0.7:80", "localhost"]) {
    assertEquals(await served.statusFor(host), 200, host);
  }
  for (const host of ["scout.example.attacker.example", "10.0.0.8", "example"]) {
    assertEquals(await served.statusFor(host), 421, host);
  }
});

Deno.test(
  "serveReport() sends the sections that changed since the version of the open page, or all sections if it does not know the version",
  async () => {
    // All events are in one second, because a longer time range would change all charts.
    let ms = 0;
    await using served = await Served.start({}, () => Date.UTC(2026, 1, 13, 14, 0, 0, ++ms));
    await served.log.log("nav", { cost: 0.25, model: "small" });
    let page = "";
    while (!page.includes("<bdi>nav</bdi>")) page = await served.page();
    await using known = await Updates.from(served, versionOf(page));
    await using unknown = await Updates.from(served, "another-server-7");
    for (const updates of [known, unknown]) assertEquals(await updates.next(), "retry: 1000");
    const all = await unknown.update();
    assert(Object.keys(all.sections).length === 22, Object.keys(all.sections).join());
    await served.log.log("skip");
    let last = { id: "", sections: {} as Record<string, string> };
    while (last.sections.events?.includes("<bdi>skip</bdi>") !== true) last = await known.update();
    assertEquals(Object.keys(last.sections).sort(), [
      "events",
      "figures",
      "range",
      "sessions",
      "types-chart",
      "types-table",
    ]);
    // The page that is served now has the version of the last update.
    assertEquals(versionOf(await served.page()), last.id);
  },
);

Deno.test(
  "serveReport() accepts 100 open pages, and new pages after some are closed",
  async () => {
    await using served = await Served.start();
    const url = new URL("events", served.server.url);
    const open = await Promise.all(Array.from({ length: 100 }, () => fetch(url)));
    assertEquals(open.map(({ status }) => status), Array(100).fill(200));
    const tooMany = await fetch(url);
    assertEquals(tooMany.status, 503);
    await tooMany.body?.cancel();
    await Promise.all(open.map(({ body }) => body?.cancel()));
    while (true) {
      const { status, body } = await fetch(url);
      await body?.cancel();
      if (status === 200) break;
    }
  },
);

Deno.test(
  "serveReport() ends when close() is called, its signal is aborted, or the reader is closed",
  async () => {
    await using closed = await Served.start();
    await using updates = await Updates.from(closed, "");
    assertEquals(await updates.next(), "retry: 1000");
    await closed.server.close();
    await closed.server.close();
    await closed.server.finished;
    await assertRejects(() => fetch(closed.server.url), TypeError);

    const controller = new AbortController();
    await using aborted = await Served.start({ signal: controller.signal });
    controller.abort();
    await aborted.server.finished;
    await assertRejects(() => fetch(aborted.server.url), TypeError);

    using dir = tempDir();
    const reader = await AuditReader.open({ path: dir.path("audit.jsonl") });
    const server = serveReport(reader);
    await fetch(server.url).then(({ body }) => body?.cancel());
    await reader.close();
    await server.finished;
    await server.close();
  },
);

Deno.test(
  "serveReport() rejects invalid options and a port in use, and leaks no resources",
  async () => {
    using dir = tempDir();
    await using reader = await AuditReader.open({ path: dir.path("audit.jsonl") });
    assertThrows(() => serveReport(reader, { port: 65_536 }), RangeError, "port");
    assertThrows(() => serveReport(reader, { port: 1.5 }), RangeError, "1.5");
    assertThrows(() => serveReport(reader, { hostname: "" }), TypeError, "hostname");
    assertThrows(() => serveReport(reader, { token: "" }), TypeError, "token");
    assertThrows(() => serveReport(reader, { timeZone: "Mars" }), RangeError, "Mars");
    const reason = new Error("enough");
    assertThrows(() => serveReport(reader, { signal: AbortSignal.abort(reason) }), Error, "enough");
    await using first = serveReport(reader);
    const port = Number(new URL(first.url).port);
    assertThrows(() => serveReport(reader, { port }), Deno.errors.AddrInUse);
  },
);

/** Returns the sections of a page by their identifiers, as far as they contain no elements of the same name. */
function sectionOf(page: string, id: string): string {
  return new RegExp(`id="${id}"[^>]*>(.*?)</(?:div|dl)>`, "s").exec(page)![1]!;
}

Deno.test("serveReport() serves the events of a filter, and their updates", async () => {
  await using served = await Served.start({}, clockFrom("2026-02-13T14:00:00Z"));
  const { log } = served;
  await log.log("llm_call", { agent: "a", model: "m", cost: 1, session_id: "s1" });
  await log.log("llm_call", { agent: "b", model: "m", cost: 2, status: "error", error: "limit 3" });
  await log.log("tool_call", { agent: "b", cost: 4, note: "Needle" });
  const usdOf = async (filter: string) => {
    // A filtered report starts with the first request for it, so its first page may lack events.
    await using updates = await Updates.from(served, "", filter);
    let page = await served.page(filter);
    while (eventCount(page) === "0") page = await served.page(filter);
    assertEquals(await updates.next(), "retry: 1000");
    return /<b id="usd">([^<]*)</.exec(page)![1]!;
  };
  for (
    const [filter, usd] of [
      ["agent=b", "$6.00"],
      ["agent=b&model=m", "$2.00"],
      ["type=tool_call", "$4.00"],
      ["session=s1", "$1.00"],
      ["reason=limit+%3Cn%3E", "$2.00"],
      ["text=needle", "$4.00"],
      ["since=2026-02-13T14:00:02Z", "$6.00"],
      ["until=2026-02-13T14:00:02", "$1.00"],
    ]
  ) assertEquals(await usdOf(filter!), usd, filter);
  assertEquals(await usdOf(""), "$7.00");

  await using updates = await Updates.from(served, "", "agent=b");
  await updates.next();
  await log.log("nav", { agent: "a", cost: 100 });
  await log.log("nav", { agent: "b", cost: 8 });
  let sections: Record<string, string> = {};
  while (sections.figures?.includes("$14.00") !== true) ({ sections } = await updates.update());
  assert(!sections.events?.includes("$100.00"));
});

Deno.test("The first page of a filter has all events, or says that the log is still being read", async () => {
  await using served = await Served.start();
  let logged: Promise<void> | undefined;
  for (let n = 0; n < 20_000; n++) {
    logged = served.log.log("nav", { agent: n % 2 === 0 ? "even" : "odd" });
  }
  await logged;
  for (const filter of ["", "agent=odd", "text=odd"]) {
    const page = await served.page(filter);
    const isReading = page.includes("<p>The log is still being read, so the figures are not ");
    const events = filter === "" ? "20,000" : "10,000";
    assert(isReading || eventCount(page) === events, `${eventCount(page)} of ${events}`);
    await using updates = await Updates.from(served, versionOf(page), filter);
    assertEquals(await updates.next(), "retry: 1000");
    let last = page;
    while (last.includes("is still being read")) last = await served.page(filter);
    assertEquals(eventCount(last), events);
  }
});

Deno.test("serveReport() links the names and bars of a page to narrower filters", async () => {
  await using served = await Served.start({}, clockFrom("2026-02-13T14:00:00Z"));
  await served.log.log("llm_call", { agent: "a&b", cost: 1, status: "error", error: "no <b>" });
  let page = "";
  while (!page.includes("a&amp;b")) page = await served.page("type=llm_call");
  const links = [...page.matchAll(/href="(\?[^"]*)"/g)].map(([, href = ""]) =>
    href.replaceAll("&amp;", "&")
  );
  for (
    const expected of [
      "?agent=a%26b&type=llm_call",
      "?type=llm_call&reason=no+%3Cb%3E",
      "?type=llm_call&since=2026-02-13T14%3A00%3A01Z&until=2026-02-13T14%3A00%3A02Z",
    ]
  ) {
    assert(links.includes(expected), `${expected} is not in ${links}`);
    const response = await fetch(new URL(expected, served.server.url));
    assertEquals(response.status, 200);
    await response.body?.cancel();
  }
});

Deno.test("serveReport() rejects an invalid filter, and lists the last events", async () => {
  await using served = await Served.start({}, clockFrom("2026-02-13T14:00:00Z"));
  for (let n = 0; n < 120; n++) await served.log.log(`event-${n}`, { agent: n % 2 ? "a" : "b" });
  const get = async (path: string) => {
    const response = await fetch(new URL(path, served.server.url));
    return [response.status, await response.text()] as const;
  };
  assertEquals(await get("?agnet=a"), [
    400,
    'Cannot filter report: unknown query parameter "agnet"; did you mean agent?',
  ]);
  assertEquals((await get("events?since=never"))[0], 400);
  const typesIn = (list: string) =>
    [...list.matchAll(/<bdi>(event-\d+)</g)].map(([, type]) => type);
  const expected = Array.from({ length: 120 }, (_, n) => `event-${119 - n}`);
  const [, all] = await get("last?count=100");
  assertEquals(typesIn(all), expected.slice(0, 100));
  const [, some] = await get("last?count=1000&agent=a&until=2026-02-13T14:01:00Z");
  assertEquals(typesIn(some), expected.filter((_, n) => n % 2 === 0 && n > 60));
  for (const count of ["0", "1001", "x", "", "2.5"]) {
    assertEquals(await get(`last?count=${count}`), [
      400,
      `Cannot list events: count must be an integer from 1 to 1000, got "${count}"`,
    ]);
  }
});

Deno.test("serveReport() follows eight filters at once, and ends one without an open page for the next", async () => {
  await using served = await Served.start();
  await using stack = new AsyncDisposableStack();
  const open = [];
  for (let n = 0; n < 8; n++) {
    open.push(stack.use(await Updates.from(served, "", `agent=a${n}`)));
  }
  const status = async (filter: string) => {
    const response = await fetch(new URL(`?${filter}`, served.server.url));
    await response.body?.cancel();
    return response.status;
  };
  assertEquals(await status("agent=a9"), 503);
  assertEquals([await status("agent=a0"), await status("")], [200, 200]);
  await open[3]![Symbol.asyncDispose]();
  // The server notices only after a moment that the page was closed.
  for (let n = 0; n < 1_000 && await status("agent=a9") === 503; n++);
  // The report of the closed page has ended. It starts again for the next page, in place of the one that replaced it.
  const page = await served.page("agent=a3");
  assertEquals(eventCount(page), "0");
  assertEquals(await status("agent=a9"), 200);
});

Deno.test("serveReport() leaves out the budgets of a page that is filtered by more than the time", async () => {
  await using served = await Served.start();
  const budget = await served.log.budget({ name: "run", limit: { usd: 5 } });
  await (await budget.hold({ usd: 1, fields: { agent: "a" } })).settle("llm_call", { cost: 1 });
  const budgetsOn = async (filter: string) => {
    let page = "";
    while (!page.includes("$1.00")) page = await served.page(filter);
    return sectionOf(page, "budgets");
  };
  assertMatch(await budgetsOn("since=2020-01-01"), /<bdi>run<\/bdi>/);
  assertMatch(await budgetsOn("agent=a"), /a filter leaves them out/);
});

Deno.test("serveReport() leaves a few events far from all others in time out of the charts, and open pages connect again", async () => {
  let wrongMs: number | null = 0;
  const rightNow = clockFrom("2026-02-13T14:00:00Z");
  await using served = await Served.start({}, () => wrongMs ?? rightNow());
  await served.log.log("nav", { cost: 3 });
  wrongMs = null;
  await using first = await Updates.from(served, "");
  for (let n = 0; n < 60; n++) await served.log.log("nav", { cost: 1 });
  // The first drawing of all events starts the search for the outlier. The stream of an open page then ends.
  await assertRejects(
    async () => {
      while (true) await first.next();
    },
    Error,
    "the stream ended early",
  );
  let page = "";
  while (!page.includes("61</b>")) page = await served.page();
  assert(page.includes("<p>1 event far from all others in time. The charts over time, "));
  assertEquals(sectionOf(page, "spend-table").split("<tr>").length, 62);
  await using again = await Updates.from(served, versionOf(page));
  await again.next();
  await served.log.log("nav", { cost: 5 });
  while ((await again.update()).sections.figures?.includes("$68.00") !== true);
  const filtered = async () => sectionOf(await served.page("type=nav"), "spend-table");
  let table = "";
  while (!table.includes("$5.00")) table = await filtered();
  assertEquals(table.split("<tr>").length, 63);
});
