/**
 * Readers and writers with one planted fault each. The fuzzers have to find each of these faults.
 *
 * @module
 */
import type { AuditEvent, EventFields } from "../../src/event.ts";
import type { FileHandle, FileSystem } from "../../src/platform/file_system.ts";
import type { AuditQuery } from "../../src/read/query.ts";
import { FILES } from "./fuzz_directory.ts";
import { openReader, type ReaderOpener } from "./fuzz_reader.ts";
import { openWriter, type Writer, type WriterOpener } from "./fuzz_writer.ts";
import type { FaultKind } from "./harness.ts";
import { overriding } from "./planted_faults.ts";
import type { SimulatedProcess } from "./simulated_disk.ts";

/** Returns a function that opens readers whose queries are replaced by the result of `change`. */
export function withQueries(change: (query: AuditQuery, process: SimulatedProcess) => AuditQuery) {
  const open: ReaderOpener = async (process) => {
    const reader = await openReader(process);
    return overriding(reader, {
      query: (...options: Parameters<typeof reader.query>) =>
        change(reader.query(...options), process),
    });
  };
  return open;
}

/** Returns the query with its events replaced by `change`. */
export function withEvents(
  query: AuditQuery,
  change: (events: AuditEvent[]) => AuditEvent[],
): AuditQuery {
  async function* iterate(): AsyncGenerator<AuditEvent> {
    yield* change(await query.toArray());
  }
  return {
    [Symbol.asyncIterator]: iterate,
    toArray: () => Array.fromAsync(iterate()),
    toReadableStream: () => ReadableStream.from(iterate()),
    damage: query.damage,
  };
}

async function* endless(): AsyncGenerator<AuditEvent> {
  for (;;) yield { event: "nav" };
}

/**
 * Readers with one fault each: the fault, a function that opens the reader, a part of the text of the finding, and the
 * possible kinds of the finding.
 */
export const READERS: [fault: string, open: ReaderOpener, text: string, kinds: FaultKind[]][] = [
  [
    "drops an intact line",
    withQueries((query) => withEvents(query, (events) => events.slice(1))),
    "instead of",
    ["lost"],
  ],
  [
    "returns a line twice",
    withQueries((query) => withEvents(query, (events) => [...events, ...events.slice(-1)])),
    "surplus events",
    ["doubled"],
  ],
  [
    "returns lines out of order",
    withQueries((query) => withEvents(query, (events) => events.reverse())),
    "instead of",
    ["reordered"],
  ],
  [
    "throws",
    withQueries((query) =>
      withEvents(query, () => {
        throw new Error("no more");
      })
    ),
    "no more",
    ["other"],
  ],
  [
    "never stops returning events",
    withQueries((query) => ({ ...query, [Symbol.asyncIterator]: endless })),
    "does not end",
    ["hung"],
  ],
  [
    "never stops calling the disk",
    withQueries((query, process) =>
      withEvents(query, () => {
        for (;;) process.status(FILES.active);
      })
    ),
    "calls",
    ["hung"],
  ],
  ["does not report damage", withQueries((query) => ({ ...query, damage: [] })), "did not report", [
    "other",
  ]],
  [
    "leaves a file open",
    withQueries((query, process) => {
      process.open(FILES.directory, "read");
      return query;
    }),
    "left open",
    ["other"],
  ],
  [
    "changes the disk",
    withQueries((query, process) => {
      process.open(`${FILES.directory}/new${process.calls.length}`, "create").close();
      return query;
    }),
    "changed the disk",
    ["other"],
  ],
  [
    "counts costs twice",
    async (process) => {
      const reader = await openReader(process);
      return overriding(reader, {
        hourlySpend: async (hours) => 2 * await reader.hourlySpend(hours),
      });
    },
    "hourlySpend()",
    ["other"],
  ],
];
/** Returns a process whose directory listings leave out the names with the ending. */
export function withoutNames(process: SimulatedProcess, ending: string): SimulatedProcess {
  return overriding(process, {
    list: (path) => process.list(path).filter((name) => !name.endsWith(ending)),
  });
}

/** Returns a function that opens writers whose `log()` is replaced by `change`. */
function withCalls(change: (log: Writer, event: string, fields?: EventFields) => Promise<void>) {
  const open: WriterOpener = async (fileSystem, rotationSizeBytes) => {
    const log = await openWriter(fileSystem, rotationSizeBytes);
    return overriding(log, {
      log: (event: string, fields?: object) => change(log, event, fields as EventFields),
    });
  };
  return open;
}

/** Returns a file system that changes the text of each append to the active file with `rewrite`. */
function rewriting(fileSystem: FileSystem, rewrite: (text: string) => string): FileSystem {
  const open = (...[path, access]: Parameters<FileSystem["open"]>): FileHandle => {
    const handle = fileSystem.open(path, access);
    if (path !== FILES.active) return handle;
    return overriding(handle, {
      appendSync(bytes: Uint8Array) {
        handle.appendSync(new TextEncoder().encode(rewrite(new TextDecoder().decode(bytes))));
        return bytes.byteLength;
      },
    });
  };
  return overriding(fileSystem, { open });
}

function withText(rewrite: (text: string) => string): WriterOpener {
  return (fileSystem, rotationSizeBytes) =>
    openWriter(rewriting(fileSystem, rewrite), rotationSizeBytes);
}

/** Writers with one fault each: the fault, a function that opens the writer, and a part of the text of the finding. */
export const WRITERS: [fault: string, open: WriterOpener, text: string][] = [
  ["does not escape line breaks", withText((text) => text.replaceAll("\\n", "\n ")), "not JSON"],
  ["loses a field", withText((text) => text.replaceAll(',"reason":""', "")), "reason is undefined"],
  ["loses a line", withText((text) => text.slice(text.indexOf("\n") + 1)), ""],
  ["writes a line twice", withText((text) => text + text), ""],
  ["omits the last line break", withText((text) => text.slice(0, -1)), ""],
  [
    "throws instead of rejecting",
    withCalls((log, event, fields) => {
      if (event === "") throw new TypeError("no event");
      return log.log(event, fields);
    }),
    "throws instead of rejecting",
  ],
  [
    "rejects valid events",
    withCalls((log, event, fields) => log.log(event, event === "nav" ? { cost: -1 } : fields)),
    "rejected because of cost",
  ],
  [
    "accepts invalid events",
    withCalls((log, event, fields) => log.log(event === "" ? "nav" : event, fields)),
    "despite invalid event",
  ],
];
