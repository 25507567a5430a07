/**
 * Decides whether a test runs or is skipped. No other file may skip a test; `layout_test.ts` checks that.
 *
 * A test that needs more than Deno names its requirements. If a requirement is not met, the test is skipped, and the
 * suffix of its name says what to install. `may_skip.ts` lists every test that may be skipped.
 *
 * @module
 */
import { fromFileUrl, join, resolve } from "@std/path";
import { MAY_SKIP } from "./may_skip.ts";
import { type CommandResult, findTool, runCommand } from "./run_command.ts";
import { mayAttach } from "./strace.ts";

/** A requirement of a test beyond Deno. */
export interface Requirement {
  /** Resolves with `true` if this machine meets the requirement. */
  readonly isMet: () => boolean | Promise<boolean>;
  /** The command that installs the requirement, or the kind of machine that has it. */
  readonly remedy: string;
}

/** The command that runs a program as root; empty if the tests run as root. */
export const AS_ROOT: readonly string[] = Deno.build.os === "windows" || Deno.uid() === 0
  ? []
  : ["sudo", "-n", "-E"];

/** Path of the NATS server to test, from the environment. If it is not set, the server of the machine is tested. */
const GIVEN_NATS_SERVER = Deno.env.get("NATS_SERVER") || undefined;

/** The program of the NATS server. A path is absolute, because tests start the server in other directories. */
export const NATS_SERVER: string = GIVEN_NATS_SERVER === undefined
  ? "nats-server"
  : resolve(GIVEN_NATS_SERVER);

/** Every requirement, by its name in `may_skip.ts`. */
export const REQUIREMENTS = {
  "POSIX": {
    isMet: () => Deno.build.os !== "windows",
    remedy: "a system with signals, file modes and symbolic links",
  },
  "root": {
    isMet: async () =>
      Deno.build.os !== "windows" &&
      (AS_ROOT.length === 0 ||
        await hasTool("sudo") &&
          (await runCommand(AS_ROOT[0]!, { args: ["-n", "true"] })).code === 0),
    remedy: "root, or sudo without a password",
  },
  "gzip": tool("gzip"),
  "mkfifo": { isMet: () => hasTool("mkfifo"), remedy: "apt-get install coreutils" },
  "strace": tool("strace"),
  "ptrace": {
    isMet: async () => await hasTool("strace") && await mayAttach(),
    remedy: "apt-get install strace, as root or after sysctl kernel.yama.ptrace_scope=0",
  },
  "namespaces": {
    isMet: mayMount,
    remedy: "Linux with unshare (apt-get install util-linux) and user namespaces",
  },
  "python3": tool("python3"),
  "jq": tool("jq"),
  "lnav": tool("lnav"),
  "chromium": tool("chromium"),
  "nats-server": {
    isMet: () => hasTool(NATS_SERVER),
    remedy: GIVEN_NATS_SERVER === undefined
      ? "apt-get install nats-server"
      : `NATS_SERVER=PATH of a program, got ${NATS_SERVER}`,
  },
  "openssl": tool("openssl"),
  "duckdb": {
    isMet: async () => (await askDuckDb("SELECT 1", ".")).code === 0,
    remedy: "deno task --config tests/bench/peers/deno.json ok",
  },
} as const satisfies Readonly<Record<string, Requirement>>;

/**
 * Is true if every test must run, so that a missing requirement is an error. `.ci/run` sets this, because it installs
 * every requirement.
 */
const MUST_RUN_ALL = Deno.env.get("SCOUT_SKIP") === "never";

/** The name of a requirement. */
export type RequirementName = keyof typeof REQUIREMENTS;

/**
 * Registers a test that needs more than Deno. `suffix` is appended to the name of the test in all output.
 *
 * @throws {Error} If `may_skip.ts` does not list the test under each of its requirements.
 */
export async function testNeeding(
  needs: RequirementName | readonly RequirementName[],
  name: string,
  test: (t: Deno.TestContext) => void | Promise<void>,
  suffix = "",
): Promise<void> {
  const missing: string[] = [];
  for (const need of [needs].flat() as RequirementName[]) {
    if (!MAY_SKIP[need].includes(name)) {
      throw new Error(`Cannot skip a test that may_skip.ts does not list under ${need}: ${name}`);
    }
    if (!await isMet(need)) missing.push(REQUIREMENTS[need].remedy);
  }
  const isSkipped = missing.length > 0;
  if (isSkipped && MUST_RUN_ALL) {
    throw new Error(`Cannot run "${name}" on this machine; it needs: ${missing.join("; ")}`);
  }
  Deno.test({
    name: `${name}${isSkipped ? ` (needs: ${missing.join("; ")})` : ""}${suffix}`,
    ignore: isSkipped,
    fn: test,
  });
}

const met = new Map<RequirementName, Promise<boolean>>();

/** Checks whether this machine meets the requirement, once per process. */
export function isMet(need: RequirementName): Promise<boolean> {
  let found = met.get(need);
  if (found === undefined) {
    found = Promise.try((): boolean | Promise<boolean> => REQUIREMENTS[need].isMet());
    met.set(need, found);
  }
  return found;
}

function tool(name: string): Requirement {
  return { isMet: () => hasTool(name), remedy: `apt-get install ${name}` };
}

async function hasTool(name: string): Promise<boolean> {
  return await findTool(name) !== null;
}

/** Checks whether this user may mount a file system that is visible to one program only. */
async function mayMount(): Promise<boolean> {
  if (!await hasTool("unshare") || !await hasTool("mount")) return false;
  const args = ["-rm", "mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", Deno.cwd()];
  return (await runCommand("unshare", { args })).code === 0;
}

/** Runs a query in DuckDB, with the packages that the benchmark downloaded. */
export function askDuckDb(question: string, cwd: string): Promise<CommandResult> {
  const peers = fromFileUrl(new URL("./bench/peers", import.meta.url));
  const config = ["--config", join(peers, "deno.json")];
  const args = ["run", "--quiet", "--cached-only", "--allow-all", ...config, join(peers, "sql.ts")];
  return runCommand(Deno.execPath(), { args: [...args, question], cwd });
}
