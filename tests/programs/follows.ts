/**
 * Follows a log from its beginning and tells each event, and each time that it waits for the next.
 *
 * With "loop" an event "break" ends it; with "leave" it takes two events and then leaves the iteration
 * as it is. "unwatched" takes the watcher away from it.
 *
 * @module
 */
import { denoFileSystem } from "../../src/platform/deno_file_system.ts";
import { followLog } from "../../src/read/follow.ts";
import { type Clock, systemClock } from "../../src/platform/clock.ts";

const [path = "", mode = "", watched = ""] = Deno.args;

const clock: Clock = {
  ...systemClock,
  startTimer(delayMs, callback) {
    tell("waits");
    return systemClock.startTimer(delayMs, callback);
  },
};
const fileSystem = watched === "unwatched"
  ? { ...denoFileSystem, watch: () => null }
  : denoFileSystem;
const events = followLog(
  { fileSystem, clock, path, maxLineBytes: 1_000, logger: console },
  { since: 0 },
);

// Not awaited here, as a program whose promise at the top level cannot settle any more ends loudly.
if (mode === "leave") leave();
else loop();

async function loop(): Promise<void> {
  for await (const { event } of events) {
    tell(String(event));
    if (event === "break") break;
  }
}

async function leave(): Promise<void> {
  const iterator = events[Symbol.asyncIterator]();
  for (let event = 0; event < 2; event++) tell(String((await iterator.next()).value?.event));
}

function tell(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}
