/**
 * Counts the decisions of the gate in a log. The counts of an archive come from its rollup, unless the archive has some
 * of the last decisions, which are listed one by one.
 *
 * @module
 */
import { type GateQuery, GateTally } from "../rollup/gate_tally.ts";
import type { TimeLike } from "../time.ts";
import { DamageReport } from "./damage.ts";
import { eventFilter } from "./filter.ts";
import type { QuerySource } from "./query.ts";
import { isWholeIn, readExceptTaken, rollupOf } from "./whole_archives.ts";

const GATE_TYPES = ["gate_compress", "gate_escalate"];

/** The decisions of the gate in a log. */
export interface GateDecisions {
  /** The counts of all decisions. */
  readonly tally: GateTally;
  /** The last decisions, oldest first. */
  readonly last: readonly GateQuery[];
}

/** Resolves with the decisions of the gate since an instant, and the last `lastN` of them, at most. */
export async function gateDecisions(
  source: QuerySource,
  { since, lastN }: { readonly since?: TimeLike | undefined; readonly lastN: number },
): Promise<GateDecisions> {
  const range = since === undefined ? {} : { since };
  const filter = eventFilter({ eventType: GATE_TYPES, ...range });
  const tally = new GateTally();
  const newestFirst: GateQuery[] = [];
  await readExceptTaken(
    source,
    { filter, order: "desc", damage: new DamageReport(source.logger) },
    {
      taker: {
        take(archive) {
          if (newestFirst.length < lastN || !isWholeIn(archive.line, filter)) return false;
          const rollup = rollupOf(archive, source);
          if (rollup === null) return false;
          tally.addAll(GateTally.from(rollup.gate));
          return true;
        },
      },
      add(event) {
        const query = tally.add(event);
        if (query !== undefined && newestFirst.length < lastN) newestFirst.push(query);
      },
    },
  );
  return { tally, last: newestFirst.reverse() };
}
