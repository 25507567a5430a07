/**
 * Measures code that a user would write without this library: a loop that writes and syncs as often as the log does,
 * and a query composed from the platform's streams.
 *
 * @module
 */
import { TextLineStream } from "@std/streams";
import { takeTurns, timed, type Workloads } from "./contender.ts";
import { fieldsOf, SESSION_ID } from "./event.ts";

/**
 * Appends each event with one write, and syncs after every `everyNLines` lines. Resolves with the time in milliseconds.
 */
function append(path: string, events: number, everyNLines: number): Promise<number> {
  const encoder = new TextEncoder();
  return timed(() => {
    using file = Deno.openSync(path, { append: true, create: true });
    for (let n = 0; n < events; n++) {
      const ts = new Date().toISOString();
      const record = { ts, event: "nav", session_id: SESSION_ID, ...fieldsOf(n) };
      file.writeSync(encoder.encode(`${JSON.stringify(record)}\n`));
      if (n % everyNLines === everyNLines - 1) file.syncDataSync();
    }
    file.syncDataSync();
  });
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

const workloads: Workloads = {
  appendSyncEvery10: async ({ path, events }) => ({ elapsedMs: await append(path, events, 10) }),
  appendSyncEvery1: async ({ path, events }) => ({ elapsedMs: await append(path, events, 1) }),
  async queryAll({ path }) {
    let events = 0;
    const elapsedMs = await timed(async () => {
      for (const file of filesOf(path)) {
        for await (const _ of eventsOf(file)) events++;
      }
    });
    return { elapsedMs, events };
  },
};

await takeTurns(workloads);
