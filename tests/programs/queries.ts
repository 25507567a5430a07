/**
 * Queries the log at each path on standard input fifty times. For each path, prints the number of events in the last
 * result, or a description of the first wrong result.
 *
 * @module
 */
import { AuditReader } from "@vivarium/scout";
import { TextLineStream } from "@std/streams";

const paths = Deno.stdin.readable.pipeThrough(new TextDecoderStream())
  .pipeThrough(new TextLineStream());
for await (const path of paths) {
  await using reader = await AuditReader.open({ path });
  console.log(await queryOften(reader));
}

async function queryOften(reader: AuditReader): Promise<string> {
  let last = 0;
  for (let count = 0; count < 50; count++) {
    const query = reader.query();
    const numbers = (await query.toArray()).map(({ n }) => n);
    const gap = numbers.findIndex((n, at) => n !== at);
    if (gap >= 0) return `event ${numbers[gap]} at position ${gap} of ${numbers.length}`;
    if (numbers.length < last) return `${numbers.length} events after ${last}`;
    if (query.damage.length > 0) return JSON.stringify(query.damage[0]);
    last = numbers.length;
  }
  return `${last}`;
}
