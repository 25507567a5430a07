/**
 * Measures code that a user would write without this library: a loop that writes and syncs as often as the log does,
 * and a query composed from the platform's streams.
 *
 * @module
 */
import { TextLineStream } from "@std/streams";
import { type Outcome, takeTurns, timed, type Workloads } from "./contender.ts";
import { fieldsOf, SESSION_ID, turn } from "./event.ts";
import { MemoryGrowth } from "./memory_growth.ts";

/** Number of events between two samples of the memory. */
const LOOK_EVENTS = 10_000;
/** Number of lines that {@linkcode appendMemory} writes at once. */
const BURST = 1_000;

/**
 * Appends each event with one write, and syncs after every `everyNLines` lines. Resolves with the time in milliseconds.
 */
function append(path: string, events: number, everyNLines: number): Promise<number> {
  const encoder = new TextEncoder();
  return timed(() => {
    using file = Deno.openSync(path, { append: true, create: true });
    for (let n = 0; n < events; n++) {
      file.writeSync(encoder.encode(lineOf(n)));
      if (n % everyNLines === everyNLines - 1) file.syncDataSync();
    }
    file.syncDataSync();
  });
}

/** Number of characters that {@linkcode appendInBlocks} writes at once. */
const BLOCK_LENGTH = 256 * 1024;

/**
 * Appends the events in blocks of whole lines, with one sync at the end. Lines cannot reach a file in much less time.
 * Resolves with the time in milliseconds.
 */
function appendInBlocks(path: string, events: number): Promise<number> {
  const encoder = new TextEncoder();
  return timed(() => {
    using file = Deno.openSync(path, { append: true, create: true });
    let lines = "";
    for (let n = 0; n < events; n++) {
      lines += lineOf(n);
      if (lines.length < BLOCK_LENGTH && n < events - 1) continue;
      file.writeSync(encoder.encode(lines));
      lines = "";
    }
    file.syncDataSync();
  });
}

function lineOf(n: number): string {
  const ts = new Date().toISOString();
  const record = { ts, event: "nav", session_id: SESSION_ID, ...fieldsOf(n) };
  return `${JSON.stringify(record)}\n`;
}

/** Appends the events in bursts, without syncs, and measures how much the memory of the process grows. */
async function appendMemory(path: string, events: number): Promise<Outcome> {
  const encoder = new TextEncoder();
  const memory = new MemoryGrowth();
  const elapsedMs = await timed(async () => {
    using file = Deno.openSync(path, { append: true, create: true });
    for (let n = 0; n < events;) {
      let lines = "";
      for (const end = Math.min(n + BURST, events); n < end; n++) lines += lineOf(n);
      file.writeSync(encoder.encode(lines));
      await turn();
      memory.look();
    }
  });
  return { elapsedMs, grownBytes: memory.stop() };
}

/**
 * Reads the lines of the last `hours` hours of a file, parses them and adds up their costs. The search for the first
 * of these lines is not timed.
 */
async function spend(path: string, hours: number): Promise<Outcome> {
  const text = Deno.readTextFileSync(path);
  const since = new Date(Date.now() - hours * 3_600_000).toISOString();
  let from = 0;
  while (from < text.length && JSON.parse(text.slice(from, text.indexOf("\n", from))).ts < since) {
    from = text.indexOf("\n", from) + 1;
  }
  const bytes = new Uint8Array(text.length - from);
  let usd = 0;
  const elapsedMs = await timed(async () => {
    using file = await Deno.open(path);
    await file.seek(from, Deno.SeekMode.Start);
    for (let length = 0; length < bytes.byteLength;) {
      length += await file.read(bytes.subarray(length)) ?? Infinity;
    }
    const lines = new TextDecoder().decode(bytes).trimEnd().split("\n");
    for (const line of lines) usd += JSON.parse(line).cost;
  });
  return { elapsedMs, usd };
}

async function* eventsOf(path: string): AsyncGenerator<Record<string, unknown>> {
  const file = await Deno.open(path);
  const bytes = path.endsWith(".gz")
    ? file.readable.pipeThrough(new DecompressionStream("gzip"))
    : file.readable;
  const lines = bytes.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
  for await (const line of lines) yield JSON.parse(line);
}

/** Returns the files of the log, oldest first. */
function filesOf(path: string): string[] {
  const directory = path.slice(0, path.lastIndexOf("/"));
  const archives = Array.from(Deno.readDirSync(directory), ({ name }) => `${directory}/${name}`)
    .filter((name) => name.endsWith(".jsonl.gz"));
  return [...archives.toSorted(), path];
}

/** Yields every event of a log. */
async function* queryOf(path: string): AsyncGenerator<Record<string, unknown>> {
  for (const file of filesOf(path)) for await (const event of eventsOf(file)) yield event;
}

const workloads: Workloads = {
  appendSyncEvery10: async ({ path, events }) => ({ elapsedMs: await append(path, events, 10) }),
  appendInBlocks: async ({ path, events }) => ({ elapsedMs: await appendInBlocks(path, events) }),
  appendSyncEvery1: async ({ path, events }) => ({ elapsedMs: await append(path, events, 1) }),
  appendMemory: ({ path, events }) => appendMemory(path, events),
  spend: ({ path, hours }) => spend(path, Number(hours)),
  async queryAll({ path }) {
    let events = 0;
    const elapsedMs = await timed(async () => {
      for await (const _ of queryOf(path)) events++;
    });
    return { elapsedMs, events };
  },
  async queryArray({ path }) {
    let events = 0;
    const elapsedMs = await timed(async () => {
      events = (await Array.fromAsync(queryOf(path))).length;
    });
    return { elapsedMs, events };
  },
  async queryMemory({ path }) {
    const memory = new MemoryGrowth();
    let events = 0;
    const elapsedMs = await timed(async () => {
      for await (const _ of queryOf(path)) if (++events % LOOK_EVENTS === 0) memory.look();
    });
    return { elapsedMs, events, grownBytes: memory.stop() };
  },
};

await takeTurns(workloads);
