/**
 * Plants faults in a copy of the source of model calls, to prove that the tests find these faults.
 *
 * @module
 */
import { type Fault, testPlantedFaults } from "../mutant.ts";

const PURE = ["tests/llm/usage_test.ts", "tests/llm/prices_test.ts"];
/**
 * Test files that must find a fault. The tests of usage_test.ts still pass with the fault, which proves that the
 * changed source can be loaded.
 */
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
    name: "the usage in the first half of a stream counts, although the stream did not end",
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
    name: "a call is not logged if its caller cancels the response",
    file: "src/llm/observed_response.ts",
    from: "observer.cancel(reason);",
    to: "",
    tests: RANDOM,
  },
  {
    name: "a budget is charged for a call that the server refuses",
    file: "src/llm/call_observer.ts",
    from: "if (status >= 400 && status < 500) this.release(",
    to: "if (status > 600) this.release(",
    tests: RANDOM,
  },
  {
    name: "a budget is not charged for a call that failed on the server",
    file: "src/llm/call_observer.ts",
    from: "if (status >= 400 && status < 500) this.release(",
    to: "if (status >= 400) this.release(",
    tests: RANDOM,
  },
  {
    name: "a character that is split between two pieces of a stream is lost",
    file: "src/llm/stream_tail.ts",
    from: "this.#decoder.decode(bytes, { stream: true })",
    to: "new TextDecoder().decode(bytes)",
    tests: FETCH,
  },
  {
    name: "the body of a response detaches a buffer that its source still uses",
    file: "src/llm/observed_response.ts",
    from: "isOwner ? value : new Uint8Array(value)",
    to: "value",
    tests: ODD,
  },
  {
    name: "telemetry also logs the calls that auditedFetch() has logged",
    file: "src/llm/call_observer.ts",
    from: "call.calls.seen.add(this.#seen);",
    to: "",
    tests: ODD,
  },
  {
    name: "telemetry takes a call that failed in auditedFetch() for a call that succeeded",
    file: "src/llm/seen_calls.ts",
    from: 'return call.state === "ok" && (',
    to: "return (",
    tests: TELEMETRY,
  },
  {
    name: "telemetry takes a call of another async context for its own",
    file: "src/llm/seen_calls.ts",
    from: "call.callId === callId && mayBe(call, reported)",
    to: "mayBe(call, reported)",
    tests: TELEMETRY,
  },
  {
    name: "two telemetry integrations of a log do not know each other's open calls",
    file: "src/llm/ai_telemetry.ts",
    from: "this.#open = calls.open;",
    to: "this.#open = new (calls.open.constructor as new () => OpenCalls)();",
    tests: TELEMETRY,
  },
  {
    name: "a call is not logged if the program drops its response",
    file: "src/llm/observed_response.ts",
    from: "dropped.register(body, observer, observer);",
    to: "",
    tests: FETCH,
  },
];

await testPlantedFaults(
  "The tests of model calls find faults that are planted in the source",
  FAULTS,
);
