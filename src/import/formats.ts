/**
 * The formats of imported sources, and how a format shows in a record. Pure.
 *
 * @module
 */
import { type JsonObject, objectOf } from "../llm/json_values.ts";
import { ClaudeCodeReader } from "./claude_code.ts";
import { CodexReader, type SessionRoots } from "./codex.ts";
import { OtlpReader } from "./otlp.ts";
import type { StatedCall, TranscriptReader, UsageListener } from "./stated_call.ts";

/** The formats of transcripts, whose records have to be put together to calls. */
export const TRANSCRIPT_FORMATS = ["claude-code", "codex", "otlp"] as const;

/** A format of transcripts. */
export type TranscriptFormat = typeof TRANSCRIPT_FORMATS[number];

/**
 * A format that {@linkcode importEvents} reads: "claude-code" (`~/.claude/projects/**\/*.jsonl`), "codex"
 * (`~/.codex/sessions/**\/rollout-*.jsonl`), "otlp" (spans of OpenTelemetry in JSON, a batch in each line) or "scout"
 * (the lines of a log of this library).
 */
export type ImportFormat = "claude-code" | "codex" | "otlp" | "scout";

/** Checks whether a format is one of transcripts. */
export function isTranscript(format: string): format is TranscriptFormat {
  return (TRANSCRIPT_FORMATS as readonly string[]).includes(format);
}

/** Creates the readers of sources of one import. */
export class Readers {
  readonly #roots: SessionRoots;
  /** All sources of OpenTelemetry have one reader, because the spans of a trace may be in several files. */
  #otlp: OtlpReader | undefined;
  readonly #text: boolean;
  readonly #listener: UsageListener;

  /**
   * @param text Whether the events get the prompts and answers.
   * @param roots The roots of the sessions of Codex, as far as they are known.
   */
  constructor(
    listener: UsageListener,
    { text, roots = new Map() }: { text: boolean; roots?: SessionRoots },
  ) {
    this.#listener = listener;
    this.#text = text;
    this.#roots = new Map(roots);
  }

  /** Creates the reader of one source. */
  create(format: TranscriptFormat): TranscriptReader {
    const text = this.#text;
    if (format === "claude-code") return new ClaudeCodeReader(this.#listener, { text });
    if (format === "codex") return new CodexReader(this.#listener, { text, roots: this.#roots });
    this.#otlp ??= new OtlpReader(this.#listener, { text });
    return this.#otlp;
  }

  /** Yields the remaining calls after the last source. */
  *end(): Generator<StatedCall> {
    if (this.#otlp !== undefined) yield* this.#otlp.endAll();
  }
}

const CODEX_TYPES: readonly unknown[] = [
  "session_meta",
  "turn_context",
  "event_msg",
  "response_item",
  "compacted",
  "token_usage_record",
];

/** Returns the format that a record of a source identifies; `undefined` if the record could be in any format. */
export function formatOf(record: JsonObject): ImportFormat | undefined {
  const { type } = record;
  if (CODEX_TYPES.includes(type) && objectOf(record.payload) !== undefined) return "codex";
  if (["ts", "event", "session_id"].every((name) => isText(record[name]))) return "scout";
  if (typeof type === "string" && isOfClaudeCode(type, record)) return "claude-code";
  return OTLP_SIGNALS.some((name) => Array.isArray(record[name])) ? "otlp" : undefined;
}

/** Checks whether a record has the members of a line of Claude Code. */
function isOfClaudeCode(type: string, record: JsonObject): boolean {
  if (type === "summary") return isText(record.leafUuid);
  if (type === "file-history-snapshot") return isText(record.messageId);
  return isText(record.sessionId) && (isText(record.uuid) || isText(record.timestamp));
}

const OTLP_SIGNALS = ["resourceSpans", "resourceLogs", "resourceMetrics"];

function isText(value: unknown): boolean {
  return typeof value === "string" && value !== "";
}
