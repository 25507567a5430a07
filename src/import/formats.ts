/**
 * The formats of imported sources, and how a format shows in a record. Pure.
 *
 * @module
 */
import { type JsonObject, objectOf } from "../llm/json_values.ts";
import { ClaudeCodeReader } from "./claude_code.ts";
import { CodexReader, type SessionRoots } from "./codex.ts";
import { OtlpReader } from "./otlp.ts";
import type { TranscriptReader, UsageListener } from "./stated_call.ts";

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
  readonly #roots: SessionRoots = new Map();
  readonly #text: boolean;
  readonly #listener: UsageListener;

  /** @param text Whether the events get the prompts and answers. */
  constructor(listener: UsageListener, { text }: { text: boolean }) {
    this.#listener = listener;
    this.#text = text;
  }

  /** Creates the reader of one source. */
  create(format: TranscriptFormat): TranscriptReader {
    const text = this.#text;
    if (format === "claude-code") return new ClaudeCodeReader(this.#listener, { text });
    if (format === "codex") return new CodexReader(this.#listener, { text, roots: this.#roots });
    return new OtlpReader(this.#listener, { text });
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
  if (typeof type === "string" && CLAUDE_CODE_IDS.some((name) => isText(record[name]))) {
    return "claude-code";
  }
  if (OTLP_SIGNALS.some((name) => Array.isArray(record[name]))) return "otlp";
  return ["ts", "event", "session_id"].every((name) => isText(record[name])) ? "scout" : undefined;
}

const CLAUDE_CODE_IDS = ["sessionId", "leafUuid", "parentUuid", "messageId"];
const OTLP_SIGNALS = ["resourceSpans", "resourceLogs", "resourceMetrics"];

function isText(value: unknown): boolean {
  return typeof value === "string" && value !== "";
}
