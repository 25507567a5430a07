import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { AuditEvent } from "@vivarium/scout";
import { BudgetLedger } from "../../src/budget/ledger.ts";
import { LiveReport } from "../../src/report/live_report.ts";
import { resolveReportOptions } from "../../src/report/options.ts";
import { updateStream, versionText } from "../../src/report/update_stream.ts";
import { type Clock, systemClock } from "../../src/platform/clock.ts";

/**
 * A clock whose timers keep the process alive. The timers of the real clock do not, because normally the server does.
 */
const clock: Clock = {
  ...systemClock,
  startTimer(delayMs, callback) {
    const id = setTimeout(callback, delayMs);
    return { cancel: () => clearTimeout(id) };
  },
};

/** A report on events that a test adds one at a time. */
class Fed implements Disposable {
  readonly #ending = new AbortController();
  readonly #feed: WritableStreamDefaultWriter<AuditEvent>;
  readonly live: LiveReport;
  readonly following: Promise<void>;

  constructor() {
    const { readable, writable } = new TransformStream<AuditEvent, AuditEvent>();
    this.#feed = writable.getWriter();
    const events = Object.assign(readable, { damage: [] });
    const at = { clock, ending: this.#ending.signal };
    this.live = new LiveReport(() => [events], resolveReportOptions({}), {
      ...at,
      filter: {},
      hasLogs: false,
    });
    this.following = this.live.follow(new BudgetLedger({ isWhole: false }));
  }

  get ending(): AbortSignal {
    return this.#ending.signal;
  }

  /** Adds events to the report, and resolves when the report shows `total` events. */
  async add(events: number, total: number): Promise<void> {
    for (let n = 0; n < events; n++) await this.#feed.write({ event: "nav" });
    while (!(await this.live.current()).sections.figures.text.includes(`>${total}<`));
  }

  async end(): Promise<void> {
    this.#ending.abort();
    await this.#feed.close();
    await this.following;
  }

  [Symbol.dispose](): void {
    this.#ending.abort();
  }
}

Deno.test("A live report is drawn in steps; it shows an event that is added between two steps in the next update", async () => {
  const ending = new AbortController();
  const { readable, writable } = new TransformStream<AuditEvent, AuditEvent>();
  const feed = writable.getWriter();
  let turns = 0;
  const stepped: Clock = {
    ...clock,
    async turn() {
      if (++turns === 3) await feed.write({ event: "nav" });
      await clock.turn();
    },
  };
  const events = Object.assign(readable, { damage: [] });
  const live = new LiveReport(() => [events], resolveReportOptions({}), {
    clock: stepped,
    ending: ending.signal,
    filter: {},
    hasLogs: false,
  });
  const following = live.follow(null);
  const { version, sections } = await live.current();
  assertStringIncludes(sections.figures.text, '<b id="event-count">0<');
  assertStringIncludes(sections["types-chart"].text, "No events.");
  const forever = { patienceMs: 1e6, signal: ending.signal };
  const { sections: changed } = (await live.next(version, forever))!;
  assertStringIncludes(changed.figures!.text, '<b id="event-count">1<');
  assertStringIncludes(changed["types-chart"]!.text, "<svg");
  // Each section takes a turn, and so does each of the three drawings of a chart.
  const drawings = 3 * Object.values(changed).filter(({ text }) => text.includes("<svg")).length;
  assertEquals(turns, 2 * Object.keys(sections).length + drawings);
  ending.abort();
  await feed.close();
  await following;
});

const decoder = new TextDecoder();

/**
 * Returns a reader that decodes the update stream to text. The stream creates an update only when the reader requests
 * one.
 */
function readerOf(
  { live, ending }: Fed,
  from: string,
  onEnd = () => {},
): { next(): Promise<string>; cancel(): Promise<void> } {
  const stream = updateStream(live, { from, reportId: "server", signal: ending }, onEnd);
  const reader = stream.getReader();
  return {
    next: async () => decoder.decode((await reader.read()).value),
    cancel: () => reader.cancel(),
  };
}

Deno.test(
  "updateStream() sends a slow browser a single update with all changes since its previous update",
  async () => {
    using fed = new Fed();
    await fed.add(1, 1);
    const { version } = await fed.live.current();
    const slow = readerOf(fed, versionText(version, "server"));
    assertEquals(await slow.next(), "retry: 1000\n\n");
    for (let n = 1; n <= 5; n++) await fed.add(100, 1 + 100 * n);
    const update = await slow.next();
    assertStringIncludes(
      update,
      `id: ${versionText((await fed.live.current()).version, "server")}\n`,
    );
    assertStringIncludes(update, '<b id=\\"event-count\\">501<');
    const last = slow.next();
    await fed.add(1, 502);
    assertStringIncludes(await last, '<b id=\\"event-count\\">502<');
    await fed.end();
  },
);

Deno.test(
  "updateStream() sends all sections of the page if the server does not know the version that the browser has",
  async () => {
    using fed = new Fed();
    await fed.add(1, 1);
    for (
      const from of ["", "other-1", "server-", "server-x", "server--1", "server-1e9", "server-999"]
    ) {
      const reader = readerOf(fed, from);
      await reader.next();
      assertMatch(
        await reader.next(),
        /^id: server-\d+\nevent: sections\ndata: \{"range":.*"damage":.*\}\n\n$/,
        from,
      );
      await reader.cancel();
    }
    await fed.end();
  },
);

Deno.test(
  "updateStream() calls onEnd once, when the server or the browser ends the stream",
  async () => {
    using fed = new Fed();
    let ended = 0;
    const onEnd = () => ended++;
    const { version } = await fed.live.current();
    const reader = readerOf(fed, versionText(version, "server"), onEnd);
    await reader.next();
    await reader.cancel();
    assertEquals(ended, 1);
    const other = readerOf(fed, versionText(version, "server"), onEnd);
    await other.next();
    const rest = other.next();
    await fed.end();
    assertEquals([await rest, ended], ["", 2]);
  },
);
