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
 * OpenTelemetry. Prompts, answers, and inputs and outputs of tools are left out, except with the option `text`. The
 * messages of errors, up to 1,000 characters, are not left out; a server may quote a prompt in them. The field `copied`
 * marks a call of Codex that only the file of a fork states.
 *
 * Transcripts do not state durations. That of a model call is the time from the line that it answers to its last line,
 * if this is at most 30 minutes. The time of a message of Claude Code is that of its first line.
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
