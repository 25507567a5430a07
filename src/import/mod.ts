/**
 * Reads model calls from the files of other tools: transcripts of Claude Code and Codex, spans of OpenTelemetry,
 * and logs of this library. The command `scout import` does the same for files, and appends the events to a log.
 *
 * | format        | files                                                      |
 * | ------------- | ---------------------------------------------------------- |
 * | `claude-code` | `~/.claude/projects/**\/*.jsonl`                            |
 * | `codex`       | `~/.codex/sessions/**\/rollout-*.jsonl`                     |
 * | `otlp`        | spans in JSON, as the OpenTelemetry Collector writes them  |
 * | `scout`       | `audit.jsonl`, and its archives after decompression        |
 *
 * ## The events
 *
 * A model call is an event `llm_call` with the fields of the export `./llm`: `model`, `provider`, `input_t`,
 * `output_t` and their parts, `cost`, `status`, `duration_ms`. A tool call is an event `tool_call` with `tool`,
 * `tool_call_id`, `status` and `duration_ms`. Other fields state the origin of a call: `session_id`, `agent`,
 * `project` (the working directory), `client` and `client_version`; `service`, `trace_id`, `span` and `parent` with
 * OpenTelemetry. Prompts, answers, and inputs and outputs of tools are left out, except with the option `text`.
 *
 * The duration of a call in a transcript is the time from the line that it answers to its last line.
 *
 * @module
 */
export {
  importEvents,
  type ImportOptions,
  type ImportSource,
  type InvalidRecord,
} from "./import_events.ts";
export type { ImportFormat } from "./formats.ts";
export type { AuditEvent } from "../event.ts";
export type { ModelPrices, PriceTable } from "../llm/price_table.ts";
