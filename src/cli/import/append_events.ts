/**
 * Appends the events of imported files to a log, at their own times.
 *
 * @module
 */
import { AuditReader } from "../../audit_reader.ts";
import { messageOf } from "../../errors.ts";
import type { AuditEvent } from "../../event.ts";
import { DamageReport } from "../../read/damage.ts";
import { LineTest } from "../../read/line_test.ts";
import { openToChange } from "../command.ts";
import { Interrupt } from "../interrupt.ts";
import { Problems } from "./problems.ts";
import { listedFiles } from "../listed_files.ts";
import { stderrLogger } from "../messages.ts";
import type { TimedEvent } from "./record_mapping.ts";

/** An event to append, or the reason why its record is invalid. `place` is the position of the record (`FILE:LINE`). */
export type PlacedEvent =
  & {
    readonly place: string;
    /** Set for an event that no record states, such as the event `prices`. It is not counted as imported. */
    readonly isExtra?: true;
  }
  & (
    | { readonly event: TimedEvent }
    /** `isRest` means that the records after the invalid one cannot be read either. */
    | { readonly problem: string; readonly isRest?: true }
  );

/** The log to which the imported events are appended. */
export interface TargetLog {
  readonly path: string;
  /**
   * Whether the lines of the log form a chain, in which each line has the hash of the line before it. If so, the
   * imported lines continue the chain.
   */
  readonly chain: boolean;
  readonly sessionId: string | undefined;
}

/** Yields the events to append, in batches. */
export type EventBatches = AsyncIterable<readonly PlacedEvent[]>;

/** The result of an import. */
export interface Appended {
  /** The number of appended events. */
  readonly imported: number;
  /** Position (`FILE:LINE`) of the first record that was not imported because of an interrupt; otherwise null. */
  readonly stoppedBefore: string | null;
}

/** Selects the lines that may be imported events, so that the other lines need not be parsed. */
const IMPORTED = new LineTest({ strings: [["import_id"]] });

/**
 * Reads the imported events of a log.
 *
 * @param range Times in milliseconds since the epoch; archives without an event in this range are not read.
 */
export async function* importedEvents(
  path: string,
  { fromMs, toMs }: { fromMs: number; toMs: number } = { fromMs: -Infinity, toMs: Infinity },
): AsyncGenerator<AuditEvent> {
  await using reader = await AuditReader.open({ path, logger: stderrLogger });
  for (const { events, line } of listedFiles(reader)) {
    const isOutside = line !== undefined && line.untimed === 0 && line.min_ts !== null &&
      line.max_ts !== null && (Date.parse(line.max_ts) < fromMs || Date.parse(line.min_ts) > toMs);
    if (isOutside) continue;
    for await (const found of events(new DamageReport(stderrLogger), IMPORTED)) yield* found;
  }
}

/**
 * Adds an event `prices` with the digest of the table of prices before the first event whose cost is from the table. The
 * costs in a log stay the same when the table changes later, and the digest shows from which table they are. The event
 * has the time and the session of the event after it, so that the import does not extend the range of the log.
 */
export async function* withPrices(
  batches: EventBatches,
  prices: { readonly sha256: string; readonly models: number },
): AsyncGenerator<readonly PlacedEvent[]> {
  let isLogged = false;
  for await (const batch of batches) {
    const first = isLogged ? undefined : batch.find(isPriced);
    if (first !== undefined) {
      isLogged = true;
      const { epochMs, fields: { session_id } } = first.event;
      const event = { epochMs, event: "prices", fields: { session_id, ...prices } };
      yield [{ place: first.place, isExtra: true, event }];
    }
    yield batch;
  }
}

/** Checks whether an event has a cost from a table of prices. */
function isPriced(placed: PlacedEvent): placed is PlacedEvent & { readonly event: TimedEvent } {
  return "event" in placed && placed.event.fields.cost_source === "prices";
}

/**
 * Appends events to a log. Stops early if the user interrupts the command.
 *
 * @throws {CommandError} If a record could not be appended; the details list the first such records.
 */
export async function appendEvents(
  batches: EventBatches,
  { path, chain, sessionId }: TargetLog,
): Promise<Appended> {
  let epochMs = Date.now();
  await using log = await openToChange({
    path,
    chain,
    now: () => epochMs,
    ...sessionId === undefined ? {} : { sessionId },
  });
  using interrupt = new Interrupt();
  let imported = 0;
  const appendBatch = async (batch: readonly PlacedEvent[]) => {
    const problems = new Problems();
    // All events of a batch are logged without waiting in between, so that they share writes and syncs to the disk.
    await Promise.all(batch.map((found) => {
      if ("problem" in found) return problems.add(found.place, found.problem);
      epochMs = found.event.epochMs;
      return log.log(found.event.event, found.event.fields).then(
        () => void (found.isExtra || imported++),
        (error) => problems.add(found.place, messageOf(error)),
      );
    }));
    const last = batch.at(-1)!.place;
    problems.throwIfAny(
      `Cannot continue import after ${last}: ${imported} events were imported, but the records below were not`,
    );
  };
  // The next batch is read while the disk syncs the previous one.
  let previous = Promise.resolve();
  for await (const batch of batches) {
    if (batch.length === 0) continue;
    await previous;
    if (interrupt.signal.aborted) return { imported, stoppedBefore: batch[0]!.place };
    previous = appendBatch(batch);
    // Without this handler, an error while the next batch is read would end the process. It is thrown by the `await`.
    previous.catch(() => {});
  }
  await previous;
  return { imported, stoppedBefore: null };
}
