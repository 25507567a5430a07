import { assertEquals } from "@std/assert";
import { sampledTest } from "./extent.ts";
import { examine } from "./soak/examination.ts";
import { Supervisor } from "./soak/supervisor.ts";
import { tempDir } from "./temp_dir.ts";

const KILLS = 16;

for (const chain of [false, true]) {
  await sampledTest(
    `AuditLogs killed and stopped at random do not lose, duplicate or reorder events${
      chain ? ", with a chain" : ""
    }`,
    1 / 4,
    async (extent) => {
      using dir = tempDir();
      const log = { directory: dir.path(""), path: dir.path("audit.jsonl") };
      const supervisor = new Supervisor({
        ...log,
        seed: extent.seed,
        writers: 3,
        rotationSizeBytes: 20_000,
        chain,
        killsMax: extent.of(KILLS),
        signal: new AbortController().signal,
      });
      const { faults } = await examine(log, await supervisor.run());
      assertEquals(Object.entries(faults).filter(([, list]) => list.length > 0), []);
    },
    ["POSIX"],
  );
}
