/**
 * Reads the transcripts of Codex, the files `~/.codex/sessions/**\/rollout-*.jsonl`. Pure.
 *
 * - A record `token_count` has counters of the whole session in `total_token_usage`. It is written again without a new
 *   call, so the usage of a call is the change of the counters. `last_token_usage` is not added up, because it repeats.
 * - `cached_input_tokens` is a part of `input_tokens`, and `reasoning_output_tokens` a part of `output_tokens`.
 * - The file of a fork begins with a copy of the records of its parent, often with the time of the fork. So the ID of a
 *   call is a digest of the session at the root of all forks and of all counters up to the call: the copy of a call has
 *   the same ID. The own calls of a fork also have the ID of the fork, because their counters may happen to be those of
 *   the calls that the parent made afterwards.
 *
 * @module
 */
import { startSha256 } from "../line/digest.ts";
import { type JsonObject, objectOf, objectsIn, parsed, textOf } from "../llm/json_values.ts";
import { type TokenUsage, usageOf } from "../llm/usage.ts";
import { eventEpochMs } from "../time.ts";
import { RecentMap } from "./recent_map.ts";
import { callDuration, durationBetween, timeOf } from "./record_time.ts";
import type { OpenTool, StatedCall, TranscriptReader, UsageListener } from "./stated_call.ts";
import { difference } from "./usage_sum.ts";

/** Maximum number of tool calls without a result that are kept. */
const OPEN_MAX = 1_000;
/** Number of digits of the digest in an ID. */
const DIGEST_DIGITS = 32;
/** Matches the ID of an own call of a fork. The first group is the ID that a copy of the call has. */
const FORK_ID = /^(codex-[0-9a-f]{32})-/;
/**
 * A call in the file of a fork is a copy if it ended at most this long after the fork was made. Codex writes the copies
 * at once, and the first own call takes longer. Used only if no record states its turn.
 */
const COPIED_WITHIN_MS = 2_000;
/** Matches a UUID of version 7. Its first 12 digits are its time in milliseconds since the epoch. */
const UUID_7 = /^([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** The counters of a session, in the order in which an ID contains them. */
const COUNTERS = [
  "input_tokens",
  "cached_input_tokens",
  "cache_write_input_tokens",
  "output_tokens",
  "reasoning_output_tokens",
] as const;

type Counters = readonly number[];
const ZERO: Counters = COUNTERS.map(() => 0);

/** The root of each session, the session from which it was forked directly or through other forks. */
export type SessionRoots = Map<string, string>;

/** Reads the calls from the lines of a transcript of Codex. */
export class CodexReader implements TranscriptReader {
  readonly #listener: UsageListener;
  readonly #text: boolean;
  readonly #roots: SessionRoots;
  readonly #tools = new RecentMap<OpenTool>(OPEN_MAX);
  #session: JsonObject | undefined;
  /** The session at the root of all forks. */
  #root = "";
  /** Whether the root was known before the file was read. */
  #isRootKnown = false;
  /** The digest of the root and of all counters so far. */
  #digest = "";
  #total = ZERO;
  /** The counters at the beginning of the turn. */
  #turnStart = ZERO;
  #model: string | undefined;
  /** The time at which the fork was made, in milliseconds since the epoch; `undefined` if the session is not a fork. */
  #forkedMs: number | undefined;
  /** Whether the copied records of the parent are over. */
  #isOwn = true;
  /** Whether a record has stated a turn with a time, which shows exactly where the copied records are over. */
  #hasTurns = false;
  /** The time of the last record that a model call answers: a message of the user, or the result of a tool. */
  #askedMs: number | undefined;
  #prompts: string[] = [];
  #answers: string[] = [];

  /**
   * @param text Whether the events get the prompts and answers.
   * @param roots The roots of the sessions that were read before; the reader adds its own.
   */
  constructor(listener: UsageListener, { text, roots }: { text: boolean; roots: SessionRoots }) {
    this.#listener = listener;
    this.#text = text;
    this.#roots = roots;
  }

  readonly otherSignals = 0;

  get openTools(): number {
    return this.#tools.size;
  }

  *take(record: JsonObject, line: number): Generator<StatedCall> {
    const payload = objectOf(record.payload);
    if (payload === undefined) return;
    const kind = record.type === "event_msg" || record.type === "response_item"
      ? payload.type
      : record.type;
    this.#noteTurn(payload);
    const session = sessionIn(record);
    if (session !== undefined) this.#takeSession(session, payload, record);
    else if (kind === "turn_context") this.#takeTurn(payload, record);
    else if (kind === "token_count") {
      yield* this.#takeCounters(objectOf(payload.info), record, line);
    } else if (kind === "token_usage_record") yield* this.#takeCounters(payload, record, line);
    else if (record.type === "response_item") yield* this.#takeItem(payload, record, line);
    else if (kind === "user_message" || kind === "task_started") this.#takeAsked(payload, record);
  }

  *end(): Generator<StatedCall> {}

  #takeSession(
    { id, parent }: { id: string; parent: string | undefined },
    payload: JsonObject,
    { timestamp }: JsonObject,
  ): void {
    // The file of a fork may also have a copy of the session_meta of its parent. The first one is that of the file.
    if (this.#session === undefined) {
      this.#session = payload;
      this.#isRootKnown = this.#roots.has(id);
      const madeMs = eventEpochMs(payload.timestamp ?? timestamp);
      this.#isOwn = parent === undefined || Number.isNaN(madeMs);
      if (!this.#isOwn) this.#forkedMs = madeMs;
    }
    if (this.#digest !== "") return;
    // A root that is known from the start is better, because the file of the parent may come later.
    const own = textOf(this.#session.id) ?? "";
    this.#root = this.#isRootKnown
      ? this.#roots.get(own)!
      : parent === undefined
      ? id
      : this.#roots.get(parent) ?? parent;
    this.#roots.set(own, this.#root);
  }

  /** Finds out whether the copied records of the parent are over, from the time in the ID of the turn. */
  #noteTurn({ turn_id }: JsonObject): void {
    const [, seconds, rest] = UUID_7.exec(textOf(turn_id) ?? "") ?? [];
    if (this.#isOwn || seconds === undefined) return;
    this.#hasTurns = true;
    this.#isOwn = parseInt(seconds + rest, 16) >= this.#forkedMs!;
  }

  #takeTurn(payload: JsonObject, record: JsonObject): void {
    this.#model = textOf(payload.model) ?? this.#model;
    this.#turnStart = this.#total;
    this.#ask(record);
  }

  /** Takes the beginning of a turn, or a message that the user has typed. */
  #takeAsked({ message }: JsonObject, record: JsonObject): void {
    this.#ask(record);
    if (this.#text && typeof message === "string") this.#prompts.push(message);
  }

  #ask({ timestamp }: JsonObject): void {
    const epochMs = eventEpochMs(timestamp);
    if (!Number.isNaN(epochMs)) this.#askedMs = epochMs;
  }

  *#takeCounters(
    info: JsonObject | undefined,
    record: JsonObject,
    line: number,
  ): Generator<StatedCall> {
    const last = countersIn(info?.last_token_usage ?? info?.usage);
    const total = this.#totalIn(info, last);
    // Codex also writes a token_count without counters, with the limits of the account alone.
    if (total === undefined) return;
    const hasReset = total.some((count, n) => count < this.#total[n]!);
    const change = hasReset ? last ?? total : total.map((count, n) => count - this.#total[n]!);
    const epochMs = timeOf(record, line);
    const usage = usageIn(change);
    const stated = last === undefined ? usage : usageIn(last);
    this.#listener.stated(stated);
    if (change.every((count) => count === 0)) {
      this.#listener.leftOut("counters that did not change", stated, 1);
      return;
    }
    const other = difference(stated, usage);
    if (other.input_t !== 0 || other.output_t !== 0) {
      this.#listener.leftOut("last usage that differs from the counters", other, 0);
    }
    this.#total = total;
    // The calls of two files without a session_meta must not have the same IDs.
    this.#root ||= `unnamed ${epochMs}`;
    this.#digest = digestOf(this.#digest || this.#root, total);
    if (!this.#hasTurns) this.#isOwn ||= epochMs > this.#forkedMs! + COPIED_WITHIN_MS;
    const id = `codex-${this.#digest}`;
    const isForks = this.#forkedMs !== undefined && this.#isOwn;
    yield {
      id: isForks ? `${id}-${textOf(this.#session?.id)}` : id,
      ...(isForks ? { copiedId: id } : {}),
      ...(this.#isOwn ? {} : { isCopy: true }),
      epochMs,
      line,
      event: "llm_call",
      usage,
      fields: {
        ...this.#sessionFields(),
        model: this.#model,
        provider: textOf(this.#session?.model_provider) ?? "openai",
        status: "ok",
        duration_ms: callDuration(this.#askedMs, epochMs),
        prompt: this.#prompts.length === 0 ? undefined : this.#prompts.join("\n"),
        answer: this.#answers.length === 0 ? undefined : this.#answers.join("\n"),
      },
    };
    this.#prompts = [];
    this.#answers = [];
  }

  /** Returns the counters of the session; `undefined` if the record has none. */
  #totalIn(info: JsonObject | undefined, last: Counters | undefined): Counters | undefined {
    const total = countersIn(info?.total_token_usage ?? info?.thread_token_usage);
    if (total !== undefined) return total;
    const turn = countersIn(info?.turn_token_usage);
    if (turn !== undefined) return added(this.#turnStart, turn);
    return last === undefined ? undefined : added(this.#total, last);
  }

  *#takeItem(payload: JsonObject, record: JsonObject, line: number): Generator<StatedCall> {
    const { type } = payload;
    const id = textOf(payload.call_id);
    if (type === "message") return this.#takeMessage(payload, record);
    if (id === undefined) return;
    if (textOf(type)?.endsWith("_output") !== true) {
      const epochMs = timeOf(record, line);
      const input = this.#text ? payload.arguments ?? payload.input ?? payload.action : undefined;
      this.#tools.set(id, { name: textOf(payload.name) ?? textOf(type), epochMs, input });
      return;
    }
    this.#ask(record);
    const tool = this.#tools.remove(id);
    if (tool === undefined) return;
    const epochMs = timeOf(record, line);
    yield {
      id: `codex-${this.#root}-${id}`,
      epochMs,
      line,
      event: "tool_call",
      usage: undefined,
      fields: {
        ...this.#sessionFields(),
        tool: tool.name,
        tool_call_id: id,
        status: hasFailed(payload.output) ? "error" : "ok",
        duration_ms: durationBetween(tool.epochMs, epochMs),
        input: tool.input,
        output: this.#text ? payload.output : undefined,
      },
    };
  }

  #takeMessage({ role, content }: JsonObject, record: JsonObject): void {
    // The messages of the role "user" also have texts that Codex adds. A record user_message has what the user typed.
    if (role === "user") this.#ask(record);
    if (!this.#text || role !== "assistant") return;
    for (const { text } of objectsIn(content)) {
      if (typeof text === "string") this.#answers.push(text);
    }
  }

  #sessionFields() {
    const { id, cwd, cli_version, agent_nickname, agent_role } = this.#session ?? {};
    return {
      session_id: textOf(id) || undefined,
      agent: textOf(agent_nickname) ?? textOf(agent_role),
      project: textOf(cwd),
      client: "codex",
      client_version: textOf(cli_version),
    };
  }
}

/** Returns the ID and the parent of the session that a record `session_meta` describes; `undefined` for other records. */
export function sessionIn(
  record: JsonObject,
): { id: string; parent: string | undefined } | undefined {
  const payload = record.type === "session_meta" ? objectOf(record.payload) : undefined;
  if (payload === undefined) return undefined;
  const spawn = objectOf(objectOf(objectOf(payload.source)?.subagent)?.thread_spawn);
  const parent = textOf(payload.forked_from_id) ?? textOf(spawn?.parent_thread_id);
  return { id: textOf(payload.id) ?? "", parent };
}

/** Returns the root of each session. `parents` has the parent of each session that is a fork. */
export function rootsOf(parents: ReadonlyMap<string, string>): SessionRoots {
  const roots: SessionRoots = new Map();
  for (const id of parents.keys()) {
    const seen = new Set([id]);
    let root = id;
    for (let next = parents.get(root); next !== undefined && !seen.has(next);) {
      seen.add(root = next);
      next = parents.get(root);
    }
    roots.set(id, root);
  }
  return roots;
}

/** Returns the ID that a copy of a call has in the file of a fork; `undefined` if a copy has the ID of the call. */
export function copiedIdOf(id: string): string | undefined {
  return FORK_ID.exec(id)?.[1];
}

/** Returns the counters in a value; `undefined` if it is not an object with counters. */
function countersIn(value: unknown): Counters | undefined {
  const usage = objectOf(value);
  if (usage === undefined || !COUNTERS.some((name) => typeof usage[name] === "number")) {
    return undefined;
  }
  return COUNTERS.map((name) => {
    const count = usage[name];
    return Number.isSafeInteger(count) && (count as number) >= 0 ? count as number : 0;
  });
}

function added(a: Counters, b: Counters): Counters {
  return a.map((count, n) => count + b[n]!);
}

function usageIn(
  [input = 0, cached = 0, written = 0, output = 0, reasoning = 0]: Counters,
): TokenUsage {
  return usageOf({
    input_tokens: input,
    output_tokens: output,
    input_tokens_details: { cached_tokens: cached, cache_write_tokens: written },
    output_tokens_details: { reasoning_tokens: reasoning },
  })!;
}

function digestOf(before: string, total: Counters): string {
  return startSha256().update(`${before} ${total.join(" ")}`).digest("hex")
    .slice(0, DIGEST_DIGITS);
}

/** Checks whether the result of a tool states a failure: an exit code other than 0, or `success: false`. */
function hasFailed(output: unknown): boolean {
  const result = objectOf(typeof output === "string" ? parsed(output) : output);
  const exitCode = objectOf(result?.metadata)?.exit_code;
  return result?.success === false || typeof exitCode === "number" && exitCode !== 0;
}
