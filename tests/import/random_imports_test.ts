/**
 * Imports random transcripts in random steps, as a user does who imports the same directory again and again while its
 * files grow, and compares the log with the calls from which the transcripts were made.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import type { AuditEvent } from "@vivarium/scout";
import { callEvent } from "../../src/import/call_event.ts";
import { rootsOf, sessionIn } from "../../src/import/codex.ts";
import { Readers, type TranscriptFormat } from "../../src/import/formats.ts";
import { KnownCalls } from "../../src/import/known_calls.ts";
import type { LeftOutReason, StatedCall } from "../../src/import/stated_call.ts";
import type { TokenUsage } from "../../src/llm/usage.ts";
import { sampledTest } from "../extent.ts";
import { SeededRandom } from "../seeded_random.ts";

/** A record of a transcript. */
type Record_ = Readonly<Record<string, unknown>>;

/** The tokens of a call. */
interface Amounts {
  readonly input: number;
  readonly output: number;
}

/** The records of each file, and the true amounts of each call by its session and its place in the session. */
interface Scene {
  readonly files: readonly (readonly Record_[])[];
  readonly total: Amounts & { readonly calls: number };
}

const START_MS = Date.UTC(2026, 1, 13);

function timeAt(ms: number): string {
  return new Date(START_MS + ms).toISOString();
}

/** Creates sessions of Claude Code, of which some are resumed in other files with the same lines. */
function claudeScene(random: SeededRandom): Scene {
  const files: Record_[][] = [];
  let [calls, input, output] = [0, 0, 0];
  for (let s = random.below(3); s >= 0; s--) {
    const session: Record_[] = [];
    for (let n = random.below(6); n >= 0; n--) {
      const usage = {
        input_tokens: random.below(50),
        cache_read_input_tokens: random.below(1_000),
        cache_creation_input_tokens: random.below(100),
      };
      const outputs = Array.from({ length: 1 + random.below(4) }, () => random.below(100));
      const id = `msg_${s}_${n}`;
      const at = 100_000 * s + 1_000 * session.length;
      for (const [b, output_tokens] of outputs.entries()) {
        session.push({
          ...{
            type: "assistant",
            uuid: `${id}_${b}`,
            sessionId: `s${s}`,
            timestamp: timeAt(at + b),
          },
          ...(random.below(2) === 0 ? {} : { requestId: `${random.below(1_000)}` }),
          message: { id, model: "m", content: [], usage: { ...usage, output_tokens } },
        });
      }
      calls++;
      input += Object.values(usage).reduce((sum, count) => sum + count, 0);
      output += Math.max(...outputs);
    }
    // Lines of different messages may be in any order, for example if tools run at the same time.
    if (random.below(3) === 0) shuffle(session, random);
    files.push(session);
    if (random.below(2) === 0) {
      const resumed = session.slice(0, random.below(session.length + 1));
      files.push(resumed.map((record) => ({ ...record, sessionId: `resumed${s}` })));
    }
  }
  return { files: shuffle(files, random), total: { calls, input, output } };
}

/** Creates sessions of Codex and forks of them, and forks of forks. */
function codexScene(random: SeededRandom): Scene {
  const files: Record_[][] = [];
  let [calls, input, output] = [0, 0, 0];
  const sessions: { id: string; records: Record_[]; totals: Amounts[] }[] = [];
  for (let s = 0, count = 1 + random.below(4); s < count; s++) {
    const parent = s === 0 || random.below(2) === 0 ? undefined : sessions[random.below(s)];
    const id = `c${s}`;
    const startMs = 1_000_000 * s;
    const meta: Record_ = {
      ...{ type: "session_meta", timestamp: timeAt(startMs) },
      payload: { id, ...(parent === undefined ? {} : { forked_from_id: parent.id }) },
    };
    const copiedCalls = parent === undefined ? 0 : random.below(parent.totals.length + 1);
    const copied = parent === undefined ? [] : parent.records
      .slice(0, endOfCall(parent.records, copiedCalls))
      .map((record) => ({ ...record, timestamp: timeAt(startMs + random.below(500)) }));
    const records = [meta, ...copied];
    const totals = parent?.totals.slice(0, copiedCalls) ?? [];
    let total = totals.at(-1) ?? { input: 0, output: 0 };
    for (let n = random.below(5); n >= 0; n--) {
      // Few different amounts, so that a fork often has the counters that its parent had later.
      const used = { input: 100 * (1 + random.below(2)), output: 10 };
      total = { input: total.input + used.input, output: total.output + used.output };
      totals.push(total);
      const at = timeAt(startMs + 10_000 + 1_000 * records.length);
      for (let again = random.below(3); again >= 0; again--) {
        records.push(counters(at, total, totals.length));
      }
      calls++;
      input += used.input;
      output += used.output;
    }
    sessions.push({ id, records, totals });
    files.push(records);
  }
  return { files: shuffle(files, random), total: { calls, input, output } };
}

function counters(timestamp: string, total: Amounts, nth: number): Record_ {
  const total_token_usage = { input_tokens: total.input, output_tokens: total.output };
  const info = { total_token_usage, last_token_usage: total_token_usage };
  return { timestamp, type: "event_msg", payload: { type: "token_count", info }, nth };
}

/** Returns the number of records up to the end of the n-th call of a session. */
function endOfCall(records: readonly Record_[], n: number): number {
  const next = records.findIndex(({ nth }) => nth === n + 1);
  return next < 0 ? records.length : next;
}

function shuffle<T>(items: T[], random: SeededRandom): T[] {
  for (let n = items.length - 1; n > 0; n--) {
    const other = random.below(n + 1);
    [items[n], items[other]] = [items[other]!, items[n]!];
  }
  return items;
}

/** The usages of an import: the plain sum, and the parts that are left out of it. */
class Ledger {
  input = 0;
  records = 0;

  stated({ input_t = 0 }: TokenUsage): void {
    this.input += input_t;
    this.records++;
  }

  leftOut(_reason: LeftOutReason, { input_t = 0 }: TokenUsage, records: number): void {
    this.input -= input_t;
    this.records -= records;
  }
}

/** Imports files into a log, as the command does, and checks that each difference from the plain sum is explained. */
function importInto(
  log: AuditEvent[],
  files: readonly (readonly Record_[])[],
  format: TranscriptFormat,
): void {
  const calls = new KnownCalls();
  const ledger = new Ledger();
  const parents = new Map(
    files.flat().flatMap((record) => {
      const { id = "", parent } = sessionIn(record) ?? {};
      return parent === undefined ? [] : [[id, parent] as const];
    }),
  );
  const read = (listener: Ledger, onCall: (call: StatedCall) => void) => {
    const readers = new Readers(listener, { text: false, roots: rootsOf(parents) });
    for (const file of files) {
      const reader = readers.create(format);
      for (const [n, record] of file.entries()) {
        for (const call of reader.take(record, n + 1)) onCall(call);
      }
      for (const call of reader.end()) onCall(call);
    }
  };
  read(ledger, (call) => calls.observe(call, ledger));
  for (const event of log) calls.addLogged(event);
  let [recorded, known] = [0, 0];
  calls.reportRecorded(({ input_t = 0 }) => {
    recorded += input_t;
    known++;
  });
  const appended: AuditEvent[] = [];
  read(new Ledger(), (call) => {
    const next = calls.take(call);
    if (next === null) return;
    const { epochMs, event, fields } = callEvent(next);
    appended.push({ ts: new Date(epochMs).toISOString(), event, ...fields });
  });
  log.push(...appended);
  assertEquals(ledger.input - recorded, sumOf(appended).input, "explained input tokens");
  const added = appended.filter(({ adjusts }) => adjusts === undefined).length;
  assertEquals(ledger.records - known, added, "explained records");
}

function sumOf(events: readonly AuditEvent[]) {
  const sum = (name: string) => events.reduce((sum, event) => sum + Number(event[name] ?? 0), 0);
  const calls = events.filter(({ adjusts }) => adjusts === undefined).length;
  return { calls, input: sum("input_t"), output: sum("output_t") };
}

for (const [format, sceneOf] of [["claude-code", claudeScene], ["codex", codexScene]] as const) {
  await sampledTest(
    `Random transcripts of ${format} that are imported while they grow end as one event for each call`,
    1 / 10,
    (extent) => {
      for (const seed of extent.seeds(20_000)) {
        const random = new SeededRandom(seed);
        const { files, total } = sceneOf(random);
        const log: AuditEvent[] = [];
        for (let step = random.below(4); step > 0; step--) {
          const grown = files.map((file) => file.slice(0, random.below(file.length + 1)));
          importInto(log, grown, format);
        }
        importInto(log, files, format);
        assertEquals(sumOf(log), total, `seed ${seed}`);
        const { length } = log;
        importInto(log, files, format);
        assertEquals(log.length, length, `seed ${seed}: imported again`);
        const ids = log.map(({ import_id }) => import_id);
        assertEquals(new Set(ids).size, ids.length, `seed ${seed}: an ID is there twice`);
      }
    },
  );
}
