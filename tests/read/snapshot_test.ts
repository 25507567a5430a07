import { assertEquals } from "@std/assert";
import { resolve } from "@std/path";
import { gzipSync } from "node:zlib";
import { openReaderOn } from "../../src/audit_reader.ts";
import { SimulatedClock } from "../platform.ts";
import { diskWith, files, ODDITIES, STAMPS } from "../segments/log_on_disk.ts";

const logger = { debug() {}, info() {}, warn() {}, error() {} };

for (const [what, kind] of [["an empty file", null], ...ODDITIES] as const) {
  Deno.test(`AuditReader reads an archive even if ${what} has the name of the uncompressed file of the same segment`, async () => {
    const ts = "2026-02-13T14:30:22.123Z";
    const archive = gzipSync(`${JSON.stringify({ ts, event: "nav", n: 1 })}\n`);
    const disk = diskWith({ [files.archive(STAMPS[0])]: archive });
    if (kind === null) disk.writeFile(files.sealed(STAMPS[0]), "");
    else disk.plant(files.sealed(STAMPS[0]), kind);
    const platform = { fileSystem: disk.process(), clock: new SimulatedClock() };
    await using reader = await openReaderOn(platform, { path: files.active, logger });
    const query = reader.query();
    assertEquals((await query.toArray()).map(({ n }) => n), [1]);
    const damaged = kind === null ? [] : [resolve(files.sealed(STAMPS[0]))];
    assertEquals(query.damage.map(({ path }) => path), damaged);
    for await (const { n } of reader.follow({ since: ts })) {
      assertEquals(n, 1);
      break;
    }
  });
}
