/**
 * The tests of model calls find faults that are planted in a copy of the source.
 *
 * @module
 */
import { type Fault, testPlantedFaults } from "../mutant.ts";

const PURE = ["tests/llm/usage_test.ts", "tests/llm/prices_test.ts"];
/** The tests of usage_test.ts still pass with these faults, which shows that the changed source loads. */
const RANDOM = ["tests/llm/random_calls_test.ts", "tests/llm/usage_test.ts"];
const ODD = ["tests/llm/odd_responses_test.ts"];
const TELEMETRY = ["tests/llm/ai_telemetry_test.ts"];
const FETCH = ["tests/llm/audited_fetch_test.ts"];

const FAULTS: readonly Fault[] = [
  {
    name: "Anthropic's cached tokens are left out of the input",
    file: "src/llm/usage.ts",
    from: "uncached + (read ?? 0) + (write ?? 0);",
    to: "uncached;",
    tests: PURE,
  },
  {
    name: "a missing price counts as 0",
    file: "src/llm/prices.ts",
    from: "if (each === undefined) return undefined;",
    to: "if (each === undefined) continue;",
    tests: PURE,
  },
  {
    name: "cache writes for an hour have the price of five minutes",
    file: "src/llm/prices.ts",
    from: '[write1h, price("cache_creation_input_token_cost_above_1hr")],',
    to: '[write1h, price("cache_creation_input_token_cost")],',
    tests: PURE,
  },
  {
    name: "a model is priced as the model whose name is a prefix of its name",
    file: "src/llm/price_table.ts",
    from: "const VERSION = /[-@]",
    to: "const VERSION = /-mini$|-audio-preview$|[-@]",
    tests: PURE,
  },
  {
    name: "the usage of half a stream counts",
    file: "src/llm/response_facts.ts",
    from: "return this.isComplete ? usageOf(this.#stated) : undefined;",
    to: "return usageOf(this.#stated);",
    tests: RANDOM,
  },
  {
    name: "a call is logged twice if its caller cancels after the end",
    file: "src/llm/call_observer.ts",
    from: "if (this.#isLogged) return;\n    this.#isLogged = true;",
    to: "this.#isLogged = true;",
    tests: RANDOM,
  },
  {
    name: "a call that its caller leaves is not logged",
    file: "src/llm/observed_response.ts",
    from: "observer.cancel(reason);",
    to: "",
    tests: RANDOM,
  },
  {
    name: "a call that the server refuses is charged",
    file: "src/llm/call_observer.ts",
    from: "if (status >= 400 && status < 500) this.release(",
    to: "if (status > 600) this.release(",
    tests: RANDOM,
  },
  {
    name: "a call that failed on the server is not charged",
    file: "src/llm/call_observer.ts",
    from: "if (status >= 400 && status < 500) this.release(",
    to: "if (status >= 400) this.release(",
    tests: RANDOM,
  },
  {
    name: "characters that are cut are lost",
    file: "src/llm/stream_tail.ts",
    from: "this.#decoder.decode(bytes, { stream: true })",
    to: "new TextDecoder().decode(bytes)",
    tests: FETCH,
  },
  {
    name: "a body takes away the buffer of its owner",
    file: "src/llm/observed_response.ts",
    from: "isOwner ? value : new Uint8Array(value)",
    to: "value",
    tests: ODD,
  },
  {
    name: "telemetry logs the calls of fetch too",
    file: "src/llm/call_observer.ts",
    from: "call.calls.seen.add(this.#seen);",
    to: "",
    tests: ODD,
  },
  {
    name: "telemetry matches a call that fetch has seen fail",
    file: "src/llm/seen_calls.ts",
    from: 'return call.state === "ok" && (',
    to: "return (",
    tests: TELEMETRY,
  },
  {
    name: "telemetry matches a call of another context",
    file: "src/llm/seen_calls.ts",
    from: "call.callId === callId && mayBe(call, reported)",
    to: "mayBe(call, reported)",
    tests: TELEMETRY,
  },
  {
    name: "each telemetry of a log has its own open calls",
    file: "src/llm/ai_telemetry.ts",
    from: "this.#open = calls.open;",
    to: "this.#open = new (calls.open.constructor as new () => OpenCalls)();",
    tests: TELEMETRY,
  },
  {
    name: "a response that is dropped is not logged",
    file: "src/llm/observed_response.ts",
    from: "dropped.register(body, observer, observer);",
    to: "",
    tests: FETCH,
  },
];

await testPlantedFaults("The tests of model calls find planted faults", FAULTS);
