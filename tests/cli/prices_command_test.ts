import { assertEquals, assertMatch } from "@std/assert";
import { tempDir } from "../temp_dir.ts";
import { runCli } from "./run_cli.ts";

const TABLE = {
  "gpt-small": {
    input_cost_per_token: 2.5e-6,
    output_cost_per_token: 1e-5,
    cache_read_input_token_cost: 1.25e-6,
    max_output_tokens: 16_384,
  },
  "image": { output_cost_per_image: 0.04 },
};

async function check(content: string, ...args: readonly string[]) {
  using dir = tempDir();
  const file = dir.path("prices.json");
  Deno.writeTextFileSync(file, content);
  const { code, stdout, stderr } = await runCli(["prices", "check", file, ...args], dir.path(""));
  return { code, stdout, stderr: stderr.replaceAll(file, "FILE") };
}

Deno.test("scout prices check counts models, and prints a digest of the table that ignores white space", async () => {
  const bytes = new TextEncoder().encode(JSON.stringify(TABLE));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
  // White space does not change the digest.
  assertEquals(await check(JSON.stringify(TABLE, null, 2)), {
    code: 0,
    stdout: `2 models, 1 with a price of input tokens\nSHA-256 ${digest}\n`,
    stderr: "",
  });
});

Deno.test("scout prices check shows the prices of a model, and exits with 1 if it has none", async () => {
  const args = [
    "--model",
    "gpt-small-2026-02-13",
    "--model",
    "image",
    "--model",
    "gpt-large",
    "--model",
    "gpt-smal",
  ];
  const { code, stdout, stderr } = await check(JSON.stringify(TABLE), ...args);
  assertEquals([code, stdout.split("\n").slice(2)], [1, [
    "gpt-small-2026-02-13 (as gpt-small): input $2.50, output $10.00, cache read $1.25 per million tokens",
    "image: no prices",
    "",
  ]]);
  assertEquals(
    stderr,
    "scout: Cannot price calls of a model: image lacks input_cost_per_token and output_cost_per_token\n" +
      "scout: Cannot find the prices of a model: gpt-large\n" +
      "scout: Cannot find the prices of a model: gpt-smal; did you mean gpt-small?\n",
  );
});

Deno.test("scout prices check names up to twenty unusable prices, and counts the others", async () => {
  const wrong = { input_cost_per_token: 2.5, output_cost_per_token: "1e-5" };
  const table = Object.fromEntries(Array.from({ length: 11 }, (_, n) => [`m${n}\u001b`, wrong]));
  const { code, stderr } = await check(JSON.stringify(table));
  assertEquals(code, 1);
  const lines = stderr.trimEnd().split("\n");
  assertEquals(lines.slice(0, 3), [
    "scout: Cannot use 22 prices",
    "  m0\\u001b: input_cost_per_token must be in USD per token, got 2.5; a price per million tokens is 2.5 / 1e6",
    '  m0\\u001b: output_cost_per_token must be a number >= 0 (USD per token), got "1e-5"',
  ]);
  assertEquals([lines.length, lines.at(-1)], [22, "  and 2 more"]);
});

Deno.test("scout prices check rejects a file that is not a table of prices, in one line", async () => {
  assertMatch(
    (await check("{")).stderr,
    /^scout: Cannot read prices: the file is not JSON: [^\n]+: FILE\n$/,
  );
  for (const [content, shown] of [["[]", "an array"], ["5", "5"], ["null", "null"]] as const) {
    const { code, stderr } = await check(content);
    assertEquals([code, stderr], [
      1,
      `scout: Cannot read prices: the file must contain an object with a member for each model, got ${shown}: FILE\n`,
    ]);
  }
  const empty = await check('{"small":{"cost":{"input":2.5}}}');
  assertEquals([empty.code, empty.stderr], [
    1,
    "scout: Cannot use the table of prices: no model has input_cost_per_token (USD per token)\n",
  ]);
});

Deno.test("scout prices check reports a missing file and a missing permission", async () => {
  using dir = tempDir();
  const missing = await runCli(["prices", "check", dir.path("none.json")], dir.path(""));
  assertEquals(missing.code, 1);
  assertMatch(missing.stderr, /^scout: Cannot read prices: the file does not exist: \S+\n$/);
  const denied = await runCli(["prices", "check", "/prices.json"], dir.path(""));
  assertEquals(denied.code, 2);
  assertMatch(denied.stderr, /run again with --allow-read=\/prices\.json\n$/);
});

Deno.test("scout prices without a command shows its help", async () => {
  using dir = tempDir();
  const { code, stdout } = await runCli(["prices"], dir.path(""));
  assertEquals(code, 0);
  assertMatch(stdout, /check/);
});
