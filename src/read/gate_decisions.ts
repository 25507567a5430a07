/**
 * Counts the decisions of an agent's compression gate: to pass a shortened text on, or to ask a larger model. The
 * counts of an archive come from its rollup, the file with its sums. But if the archive has some of the last decisions,
 * which are listed one by one, the archive is decoded.
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

/** The decisions of an agent's compression gate: to pass a shortened text on, or to ask a larger model. */
export interface GateDecisions {
  /** The counts of all decisions. */
  readonly tally: GateTally;
  /** The last decisions, oldest first. */
  readonly last: readonly GateQuery[];
}

/**
 * Resolves with the counts of the decisions that an agent's compression gate made since an instant, and with a list of
 * at most the last `lastN` decisions.
 */
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
