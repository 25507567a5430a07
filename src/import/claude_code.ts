/**
 * Reads the transcripts of Claude Code, the files `~/.claude/projects/**\/*.jsonl`. Pure.
 *
 * - A message of a model has a line for each of its content blocks. Each line states the usage of the whole message as
 *   far as it was known then. So a message counts once, with the largest of each count and the time of its first line.
 * - The ID of a message is `message.id`. `requestId` may be missing, and differs where a sidechain repeats a message.
 * - `input_tokens` leaves out cached tokens; `usageOf()` adds them.
 * - The result of a tool is in a later line of the type "user".
 *
 * @module
 */
import { amountOf, type JsonObject, objectOf, objectsIn, textOf } from "../llm/json_values.ts";
import { shortened } from "../llm/event_values.ts";
import { type TokenUsage, usageOf } from "../llm/usage.ts";
import { eventEpochMs } from "../time.ts";
import { RecentMap } from "./recent_map.ts";
import { callDuration, durationBetween, timeOf } from "./record_time.ts";
import {
  type OpenTool,
  RecordError,
  type StatedCall,
  type TranscriptReader,
  type UsageListener,
} from "./stated_call.ts";
import { difference, largest, sum } from "./usage_sum.ts";

/** The model that Claude Code names in messages that it makes itself, such as a message about an error of the API. */
const NO_MODEL = "<synthetic>";
/**
 * Maximum number of messages that may get more lines, and of tool calls without a result. A session seldom has more than
 * a few at the same time. If a line of an older message comes, it counts as a call that is stated again.
 */
const OPEN_MAX = 1_000;
/** Number of lines whose times are kept, to compute the duration of the call that answers a line. */
const TIMES_MAX = 1_000;

/** A message of a model, of which more lines may come. */
interface OpenMessage {
  readonly id: string;
  readonly line: number;
  /** The times of its first and its last line. */
  readonly epochMs: number;
  lastMs: number;
  /** The time of the line that the message answers; `undefined` if the file does not have that line. */
  readonly askedMs: number | undefined;
  readonly prompt: string | undefined;
  /** The largest of each token count over the lines of the message; `undefined` if the lines do not state a usage. */
  usage: TokenUsage | undefined;
  /** The number of lines that state a usage, and the sum of what they state. */
  lines: number;
  stated: TokenUsage;
  finishReason: string | undefined;
  readonly answers: string[];
  readonly record: JsonObject;
  readonly message: JsonObject;
}

/** A line that later lines answer. */
interface Asked {
  readonly epochMs: number;
  readonly prompt: string | undefined;
}

/** Reads the calls from the lines of a transcript of Claude Code. */
export class ClaudeCodeReader implements TranscriptReader {
  readonly #listener: UsageListener;
  readonly #text: boolean;
  readonly #messages = new RecentMap<OpenMessage>(OPEN_MAX);
  readonly #tools = new RecentMap<OpenTool>(OPEN_MAX);
  readonly #asked = new RecentMap<Asked>(TIMES_MAX);

  /** @param text Whether the events get the prompts and answers. */
  constructor(listener: UsageListener, { text }: { text: boolean }) {
    this.#listener = listener;
    this.#text = text;
  }

  readonly otherSignals = 0;

  get openTools(): number {
    return this.#tools.size;
  }

  *take(record: JsonObject, line: number): Generator<StatedCall> {
    const message = objectOf(record.message);
    if (record.type === "assistant" && message !== undefined) {
      yield* this.#takeMessage(record, message, line);
    } else if (record.type === "user" && message !== undefined) {
      yield* this.#takeResults(record, message, line);
    }
    if (typeof record.uuid !== "string") return;
    const epochMs = eventEpochMs(record.timestamp);
    if (Number.isNaN(epochMs)) return;
    const prompt = this.#text && message !== undefined ? textIn(message.content) : undefined;
    this.#asked.set(record.uuid, { epochMs, prompt });
  }

  *end(): Generator<StatedCall> {
    for (const message of this.#messages.removeAll()) yield this.#callOf(message);
  }

  *#takeMessage(record: JsonObject, message: JsonObject, line: number): Generator<StatedCall> {
    const stated = statedUsage(record, message);
    const isError = record.isApiErrorMessage === true;
    if (message.model === NO_MODEL && !isError) {
      if (stated === undefined) return;
      this.#listener.stated(stated);
      this.#listener.leftOut("messages that Claude Code wrote itself", stated, 1);
      return;
    }
    const id = textOf(message.id) || textOf(record.requestId) || textOf(record.uuid) || undefined;
    if (id === undefined) throw new RecordError(line, "the message has no message.id");
    const epochMs = timeOf(record, line);
    this.#keepTools(message.content, epochMs);
    const usage = isError ? undefined : stated;
    if (usage !== undefined) this.#listener.stated(usage);
    const open = this.#messages.get(id);
    if (open !== undefined) return this.#addLine(open, { message, usage, epochMs });
    const asked = this.#asked.get(textOf(record.parentUuid) ?? "");
    const released = this.#messages.set(id, {
      id,
      line,
      epochMs,
      lastMs: epochMs,
      askedMs: asked?.epochMs,
      prompt: asked?.prompt,
      usage,
      lines: usage === undefined ? 0 : 1,
      stated: usage ?? {},
      finishReason: textOf(message.stop_reason),
      answers: answersIn(message.content, this.#text),
      // The content is not kept, because it may be long.
      record: { ...record, message: undefined },
      message: { ...message, content: isError ? message.content : undefined },
    });
    if (released !== undefined) yield this.#callOf(released);
  }

  #addLine(
    open: OpenMessage,
    { message, usage, epochMs }: {
      message: JsonObject;
      usage: TokenUsage | undefined;
      epochMs: number;
    },
  ): void {
    if (usage !== undefined) {
      open.usage = open.usage === undefined ? usage : largest(open.usage, usage);
      open.stated = sum(open.stated, usage);
      open.lines++;
    }
    open.lastMs = Math.max(open.lastMs, epochMs);
    open.finishReason = textOf(message.stop_reason) ?? open.finishReason;
    open.answers.push(...answersIn(message.content, this.#text));
  }

  #callOf(open: OpenMessage): StatedCall {
    const { id, line, epochMs, usage, record, message } = open;
    if (usage !== undefined && open.lines > 1) {
      this.#listener.leftOut(
        "further lines of the same message",
        difference(open.stated, usage),
        open.lines - 1,
      );
    }
    const isError = record.isApiErrorMessage === true;
    return {
      id: `claude-code-${id}`,
      epochMs,
      line,
      event: "llm_call",
      usage,
      fields: {
        ...sessionFields(record),
        model: isError ? undefined : textOf(message.model),
        provider: "anthropic",
        status: isError ? "error" : "ok",
        error: isError ? { message: shortened(textIn(message.content) ?? "") } : undefined,
        duration_ms: callDuration(open.askedMs, open.lastMs),
        response_id: isError ? undefined : textOf(message.id),
        finish_reason: isError ? undefined : open.finishReason,
        prompt: open.prompt,
        answer: open.answers.length === 0 ? undefined : open.answers.join("\n"),
      },
    };
  }

  #keepTools(content: unknown, epochMs: number): void {
    for (const block of objectsIn(content)) {
      if (block.type !== "tool_use" || typeof block.id !== "string") continue;
      const input = this.#text ? block.input : undefined;
      this.#tools.set(block.id, { name: textOf(block.name), epochMs, input });
    }
  }

  *#takeResults(record: JsonObject, message: JsonObject, line: number): Generator<StatedCall> {
    for (const block of objectsIn(message.content)) {
      const id = textOf(block.tool_use_id);
      const tool = id === undefined ? undefined : this.#tools.remove(id);
      if (block.type !== "tool_result" || tool === undefined) continue;
      const epochMs = timeOf(record, line);
      yield {
        id: `claude-code-${id}`,
        epochMs,
        line,
        event: "tool_call",
        usage: undefined,
        fields: {
          ...sessionFields(record),
          tool: tool.name,
          tool_call_id: id,
          status: block.is_error === true ? "error" : "ok",
          duration_ms: durationBetween(tool.epochMs, epochMs),
          input: tool.input,
          output: this.#text ? textIn(block.content) : undefined,
        },
      };
    }
  }
}

/** Returns the usage that a line states; `undefined` if it states none. */
function statedUsage({ costUSD }: JsonObject, { usage }: JsonObject): TokenUsage | undefined {
  if (objectOf(usage) === undefined) return undefined;
  const tokens = usageOf({ usage });
  // Old versions of Claude Code wrote the cost themselves.
  const cost = amountOf(costUSD);
  return cost === undefined ? tokens : { ...tokens, cost };
}

/** Returns the fields with the session, the project and the agent of a line. */
function sessionFields(record: JsonObject) {
  const agent = textOf(record.agentId) ?? (record.isSidechain === true ? "sidechain" : undefined);
  return {
    session_id: textOf(record.sessionId) || undefined,
    agent,
    project: textOf(record.cwd),
    client: "claude-code",
    client_version: textOf(record.version),
  };
}

function answersIn(content: unknown, isWanted: boolean): string[] {
  const text = isWanted ? textIn(content) : undefined;
  return text === undefined ? [] : [text];
}

/** Returns the text of the content of a message or of a result; `undefined` if it has none. */
function textIn(content: unknown): string | undefined {
  if (typeof content === "string") return content;
  const texts = objectsIn(content).filter(({ type }) => type === "text").map(({ text }) => text)
    .filter((text) => typeof text === "string");
  return texts.length === 0 ? undefined : texts.join("\n");
}
