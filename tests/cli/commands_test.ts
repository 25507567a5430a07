import { assert, assertEquals } from "@std/assert";
import { parse } from "@optique/core/parser";
import fc from "fast-check";
import { COMMAND_NAMES, parseCommand } from "../../src/cli/commands.ts";
import { allCommands } from "../../src/cli/runner.ts";

/** The arguments that commands require. */
const REQUIRED: Readonly<Record<string, readonly string[]>> = {
  diff: ["--range", "1d..", "--range", "..1d"],
  import: ["a.jsonl"],
  prune: ["--max-archives", "1"],
  fleet: ["status", "--server", "127.0.0.1:9", "--fleet", "f"],
  prices: ["check", "prices.json"],
  ship: ["--once", "--server", "127.0.0.1:9", "--fleet", "f", "--log", "a"],
};

Deno.test("parseCommand() parses each command, and leaves help and unknown commands to the parser of all commands", async () => {
  const all = await allCommands();
  for (const name of COMMAND_NAMES) {
    const args = [name, ...REQUIRED[name] ?? []];
    assert(parse(all, args).success, args.join(" "));
    assert(await parseCommand(args) !== undefined, args.join(" "));
    for (const option of ["--help", "-h", "--version", "-V"]) {
      assertEquals(await parseCommand([...args, option]), undefined);
      assertEquals(await parseCommand([name, "--path", option]), undefined);
    }
  }
  for (const args of [[], ["help"], ["completions", "bash"], ["toString"], ["--path", "a"]]) {
    assertEquals(await parseCommand(args), undefined, args.join(" "));
  }
});

Deno.test("parseCommand() accepts no arguments that the parser of all commands rejects", async () => {
  const all = await allCommands();
  const word = fc.constantFrom(
    ...["a", "help", "status", "end", "set", "release", "settle", "spend", "x=1", "3h", "1", "-1"],
    ...["--", "-n", "-f", "--json", "--path", "--path=a", "--since", "--until", "--tz", "UTC"],
    ...["--by", "model", "--event", "--where", "--color", "never", "--verbose", "--follow", "--nn"],
    ...["--usd", "--hours", "--server", "--fleet", "--log", "--once", "--max-archives", ""],
  );
  let accepted = 0;
  let rejected = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...COMMAND_NAMES),
      fc.boolean(),
      fc.array(word, { maxLength: 4 }),
      async (name, isComplete, words) => {
        const args = [name, ...isComplete ? REQUIRED[name] ?? [] : [], ...words];
        if (await parseCommand(args) === undefined) {
          rejected++;
        } else {
          accepted++;
          assert(parse(all, args).success, args.join(" "));
        }
      },
    ),
    { numRuns: 3_000 },
  );
  assert(Math.min(accepted, rejected) > 300, `${accepted} accepted, ${rejected} rejected`);
});
