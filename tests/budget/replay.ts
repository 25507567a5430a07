/**
 * Replays the lines of a log that has one total budget in USD, and checks every decision to grant or refuse a hold.
 * Shares no code with the library, so that the two do not have the same bugs.
 *
 * @module
 */

/** A line of a log. */
export type Line = Readonly<Record<string, unknown>>;

/** A refused hold, as the process that called `hold()` recorded it. */
export interface SeenRefusal {
  /** ID of the hold. */
  readonly id: string;
  /** Billionths of a USD. */
  readonly amount: number;
  /** The last line of the log when the hold was refused, as JSON. */
  readonly after: string;
  /** Time of the decision, epoch milliseconds. */
  readonly ms: number;
  readonly kind: string;
}

/** The result of a replay. */
export interface Replayed {
  readonly granted: number;
  readonly refused: number;
  /** The costs and the reserved amounts at the end, in billionths of a USD. */
  readonly charged: bigint;
  /** Number of `budget_wait` lines, which keep room for waiting holds, without renewals. */
  readonly tickets: number;
  /** The wrong decisions, each as a sentence with the line. */
  readonly faults: readonly string[];
}

interface Held {
  readonly amount: bigint;
  readonly untilMs: number;
}

/** The state of the budget between two lines of the log. */
class State {
  spent = 0n;
  readonly open = new Map<unknown, Held>();
  readonly tickets = new Map<unknown, Held>();

  get held(): bigint {
    return this.open.values().reduce((sum, { amount }) => sum + amount, 0n);
  }

  /** Returns the amount that is charged at the time `ms`: the costs, and the holds that have expired without an end. */
  chargedAt(ms: number): bigint {
    return this.open.values().filter(({ untilMs }) => untilMs <= ms)
      .reduce((sum, { amount }) => sum + amount, this.spent);
  }

  /**
   * Returns the oldest `budget_wait` line, which keeps room for a waiting hold, that is valid at the time `ms`. Returns
   * undefined if that line belongs to the hold with the ID `id`.
   */
  ticketBefore(id: unknown, ms: number): Held | undefined {
    const oldest = this.tickets.entries().find(([, { untilMs }]) => untilMs > ms);
    return oldest === undefined || oldest[0] === id ? undefined : oldest[1];
  }

  /**
   * Checks whether a hold fits into the limit, next to the costs, the open holds and the room that is kept for a
   * waiting hold.
   */
  fits(id: unknown, amount: bigint, { ms, limit }: { ms: number; limit: bigint }): boolean {
    const claimed = this.ticketBefore(id, ms)?.amount ?? 0n;
    return this.spent + this.held + claimed + amount <= limit;
  }
}

/**
 * Replays the lines, and checks each granted hold. Checks each refused hold at its place: after the line that was the
 * last one in the log when the hold was refused.
 */
export function replay(
  lines: readonly Line[],
  refusals: readonly SeenRefusal[],
  limit: bigint,
): Replayed {
  const faults: string[] = [];
  const places = Map.groupBy(refusals, ({ after }) => after);
  const state = new State();
  /**
   * For each session ID, the field `asked` of the last granted hold that had waited. The holds of a session must be
   * granted in this order.
   */
  const askedBefore = new Map<unknown, number>();
  let granted = 0;
  let refused = 0;
  let tickets = 0;
  for (const line of lines) {
    const { event, hold, hold_usd, hold_until, cost } = line;
    const ms = Date.parse(`${line.ts}`);
    const amount = parts(hold_usd);
    const untilMs = Date.parse(`${hold_until}`);
    if (event === "budget_hold") {
      granted++;
      if (!state.fits(hold, amount, { ms, limit })) {
        faults.push(`granted, but does not fit: ${JSON.stringify(line)}`);
      }
      state.tickets.delete(hold);
      state.open.set(hold, { amount, untilMs });
      const { asked, session_id } = line;
      if (typeof asked === "number") {
        const before = askedBefore.get(session_id) ?? -1;
        if (asked < before) faults.push(`granted after ask ${before}: ${JSON.stringify(line)}`);
        askedBefore.set(session_id, asked);
      }
    } else if (event === "budget_wait") {
      if (!state.tickets.has(hold)) tickets++;
      state.tickets.set(hold, { amount, untilMs });
    } else {
      if (event === "budget_charge") state.spent += state.open.get(hold)?.amount ?? 0n;
      else if (event === "budget_release") state.tickets.delete(hold);
      else if (event === "budget_state") dropTickets(state, ms);
      else if (cost !== undefined) state.spent += parts(cost);
      state.open.delete(hold);
    }
    const sum = state.spent + state.held;
    if (sum > limit) {
      faults.push(`${state.spent} spent and ${state.held} held: ${JSON.stringify(line)}`);
    }
    const here = places.get(JSON.stringify(line)) ?? [];
    refused += here.length;
    for (const refusal of here) {
      const fault = faultOf(state, refusal, limit);
      if (fault !== null) faults.push(`${fault}: ${JSON.stringify(refusal)}`);
    }
  }
  if (refused !== refusals.length) {
    faults.push(`only ${refused} of ${refusals.length} refusals were found at their places`);
  }
  return { granted, refused, charged: state.spent + state.held, tickets, faults };
}

/**
 * Removes the `budget_wait` lines that have expired when a `budget_state` line is written. If a removed line is renewed
 * later, its hold has lost its place and comes last.
 */
function dropTickets({ tickets }: State, ms: number): void {
  for (const [id, { untilMs }] of tickets) {
    if (untilMs <= ms) tickets.delete(id);
  }
}

/**
 * Compares a refusal with the state of the budget when the hold was refused. Returns a sentence about the difference;
 * null if the refusal is right.
 */
function faultOf(
  state: State,
  { id, amount, ms, kind }: SeenRefusal,
  limit: bigint,
): string | null {
  if (state.fits(id, BigInt(amount), { ms, limit })) return "refused, but fits";
  const isSpent = state.chargedAt(ms) + BigInt(amount) > limit;
  return kind === (isSpent ? "spent" : "held") ? null : `refused as ${kind}`;
}

function parts(usd: unknown): bigint {
  return usd === undefined ? 0n : BigInt(Math.round(Number(usd) * 1e9));
}
