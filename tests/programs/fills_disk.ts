/**
 * In each round, fills the small disk of a log until calls fail, and then frees the disk. Prints, as JSON, the numbers
 * of the accepted events and of the events found in the log, and the counts of rejected calls and of damaged regions.
 *
 * @module
 */
import { dirname, join } from "@std/path";
import { AuditLog, AuditWriteError } from "@vivarium/scout";

const [path = "", rounds = ""] = Deno.args;
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const directory = dirname(path);
const filler = join(directory, "filler");
const log = await AuditLog.open({ path, rotationSizeBytes: 8 * 1024, logger: silent });
const accepted: number[] = [];
const found: number[] = [];
let refused = 0;
let damage = 0;
let n = 0;

for (let round = 0; round < Number(rounds); round++) {
  fill();
  for (let refusedNow = 0; refusedNow < 5;) if (!await isLogged()) refusedNow++;
  Deno.removeSync(filler);
  // The log resumes by itself: no further call may fail until the disk is full again.
  for (let call = 0; call < 50; call++) {
    if (!await isLogged()) throw new Error("The log did not resume");
  }
  await log.rotate();
  const query = log.query();
  for await (const event of query) found.push(event.n as number);
  damage += query.damage.length;
  // The events of these archives have been read, so the archives and their rollups (sums) can be deleted. This makes
  // room for the next round.
  for (const { name } of Deno.readDirSync(directory)) {
    if (/\.(?:gz|rollup)$/.test(name)) Deno.removeSync(join(directory, name));
  }
}
await log.close();
console.log(JSON.stringify({ accepted, found, refused, damage }));

/** Fills the disk except for the space of a few lines. */
function fill(): void {
  using file = Deno.openSync(filler, { write: true, create: true });
  try {
    while (file.writeSync(new Uint8Array(1_024)) === 1_024);
  } catch (error) {
    // The disk is full, as intended.
    if (!(error instanceof Error && error.message.includes("os error 28"))) throw error;
  }
  file.truncateSync(Math.max(0, file.statSync().size - 2_048));
}

async function isLogged(): Promise<boolean> {
  const number = n++;
  try {
    await log.log("nav", { n: number, text: "é".repeat(number % 100) });
  } catch (error) {
    if (!(error instanceof AuditWriteError)) throw error;
    refused++;
    return false;
  }
  accepted.push(number);
  return true;
}
