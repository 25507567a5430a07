import { assertEquals } from "@std/assert";
import { examine } from "./soak/examination.ts";
import { Supervisor } from "./soak/supervisor.ts";
import { tempDir } from "./temp_dir.ts";

for (const [seed, chain] of [[1, false], [2, true]] as const) {
  Deno.test({
    name: `AuditLogs that are killed and stopped at random lose, double and reorder nothing ${
      chain ? "and keep their chain " : ""
    }(seed ${seed})`,
    // There are no such signals on Windows.
    ignore: Deno.build.os === "windows",
    async fn() {
      using dir = tempDir();
      const log = { directory: dir.path(""), path: dir.path("audit.jsonl") };
      const supervisor = new Supervisor({
        ...log,
        seed,
        writers: 3,
        rotationSizeBytes: 20_000,
        chain,
        killsMax: 12,
        signal: new AbortController().signal,
      });
      const { faults } = await examine(log, await supervisor.run());
      assertEquals(Object.entries(faults).filter(([, list]) => list.length > 0), []);
    },
  });
}
