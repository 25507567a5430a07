/**
 * Workloads of model calls, which measure how much time `auditedFetch` adds to a call of `fetch`.
 *
 * @module
 */
import { median, type Row } from "./row.ts";
import type { Stage } from "./stage.ts";
import { atMost, type Workload } from "./workload.ts";

const CALLS = 400;
const STREAMS = 15;
const CHUNKS = 10_000;

/** For each workload, resolves with the median time of a call in each round, in milliseconds. */
async function times(
  stage: Stage,
  workloads: readonly string[],
  { calls, chunks }: { calls: number; chunks: number },
): Promise<number[][]> {
  return await stage.inTurn(workloads.map((workload) => async () => {
    const path = stage.newLog();
    const { elapsedMs = NaN } = await stage.run("llm", { workload, path, events: calls, chunks });
    stage.removeLog(path);
    return elapsedMs;
  }));
}

function note(ours: readonly number[], theirs: readonly number[]): string {
  return `${median(ours).toFixed(2)} ms, fetch ${median(theirs).toFixed(2)} ms`;
}

const calls: Workload = {
  id: "M1",
  area: "llm",
  name: "auditedFetch",
  async run(stage) {
    const one = { calls: stage.scaled(CALLS), chunks: 0 };
    const many = { calls: Math.max(3, stage.scaled(STREAMS)), chunks: CHUNKS };
    const [plain = [], audited = [], held = []] = await times(
      stage,
      ["plain", "audited", "held"],
      one,
    );
    const [plainStream = [], auditedStream = []] = await times(stage, ["plain", "audited"], many);
    const added = (ours: readonly number[]) => ours.map((time, n) => time - plain[n]!);
    return [
      {
        id: "M1",
        name: "time that auditedFetch adds to a local call of 1 kB",
        unit: "ms",
        target: atMost(0.3),
        samples: added(audited),
        note: note(audited, plain),
      },
      {
        id: "M1",
        name: "time that auditedFetch with a budget adds to it",
        unit: "ms",
        target: null,
        samples: added(held),
        note: note(held, plain),
      },
      {
        id: "M1",
        name: `auditedFetch of a stream of ${CHUNKS.toLocaleString("en")} chunks / fetch`,
        unit: "x",
        target: atMost(1.05),
        samples: auditedStream.map((time, n) => time / plainStream[n]!),
        note: note(auditedStream, plainStream),
      },
    ] satisfies Row[];
  },
};

/** The workloads of model calls. */
export const llmWorkloads: readonly Workload[] = [calls];
