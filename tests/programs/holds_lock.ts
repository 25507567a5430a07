/**
 * Takes the lock of a log, writes half a line and holds the lock until the process is killed.
 *
 * @module
 */
const [path = ""] = Deno.args;
const lock = Deno.openSync(`${path}.lock`, { read: true, write: true, create: true });
lock.lockSync(true);
Deno.writeTextFileSync(path, '{"event":"whole"}\n{"event":"tor', { append: true });
console.log("holding");
setInterval(() => {}, 1_000_000);
