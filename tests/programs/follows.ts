/**
 * Follows a log from its first event. Prints the type of each event, and "waits" whenever it waits for the next event.
 *
 * In mode "loop" an event of type "break" ends the loop. In mode "leave" the program reads two events, then drops the
 * iterator without closing the iterator. The third argument "unwatched" disables the file system watcher.
 *
 * @module
 */
import { denoFileSystem } from "../../src/platform/deno_file_system.ts";
import { followLog } from "../../src/read/follow.ts";
import { LogDirectory } from "../../src/segments/log_directory.ts";
import { type Clock, systemClock } from "../../src/platform/clock.ts";

const [path = "", mode = "", watched = ""] = Deno.args;

const clock: Clock = {
  ...systemClock,
  startTimer(delayMs, callback) {
    print("waits");
    return systemClock.startTimer(delayMs, callback);
  },
};
const fileSystem = watched === "unwatched"
  ? { ...denoFileSystem, watch: () => null }
  : denoFileSystem;
const events = followLog(
  { log: new LogDirectory(fileSystem, path), clock, maxLineBytes: 1_000, logger: console },
  { since: 0 },
);

// The program does not await leave(), because its promise can no longer settle. Deno fails if a top-level await never
// ends.
if (mode === "leave") leave();
else loop();

async function loop(): Promise<void> {
  for await (const { event } of events) {
    print(String(event));
    if (event === "break") break;
  }
}

async function leave(): Promise<void> {
  const iterator = events[Symbol.asyncIterator]();
  for (let event = 0; event < 2; event++) print(String((await iterator.next()).value?.event));
}

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}
