/**
 * A log that belongs to one user, and commands that another user runs on it. Real users need root, which starts the
 * programs and then drops its rights.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { TextLineStream } from "@std/streams";
import { MAIN } from "./cli/run_cli.ts";
import { AS_ROOT, testNeeding } from "./requirements.ts";
import type { CommandResult } from "./run_command.ts";
import { programArgs, runProgram } from "./run_program.ts";
import { tempDir } from "./temp_dir.ts";

const SERVICE = fromFileUrl(new URL("./programs/service.ts", import.meta.url));
const RUN_AS = fromFileUrl(new URL("./programs/run_as.ts", import.meta.url));

/** Who owns a log. The names of the users do not matter, and neither does whether the system knows them. */
const OWNER = { uid: 54_321, gid: 54_321 };
/** A group that the owner does not belong to. */
const READERS = 54_400;
const OTHER_USER = 54_322;

/** A directory of the owner, and functions that run programs on the log in it. */
async function ownedLog({ directoryMode = 0o700 } = {}) {
  const parent = tempDir();
  const directory = parent.path("log");
  const path = `${directory}/audit.jsonl`;
  await shell(
    `chmod 755 ${parent.path("")} && mkdir ${directory} && ` +
      `chown ${OWNER.uid}:${OWNER.gid} ${directory} && chmod ${octal(directoryMode)} ${directory}`,
  );
  const flags = [`--allow-read=${parent.path("")}`, `--allow-write=${directory}`];
  return {
    path,
    /** Creates a file beside the log that every user may read. */
    writeSource(name: string, text: string): string {
      Deno.writeTextFileSync(parent.path(name), text);
      return parent.path(name);
    },
    /** Starts a service that writes the log as its owner. */
    start: (rotationSizeBytes = 10_485_760) => new Service(directory, path, rotationSizeBytes),
    /** Runs a command as root. */
    asRoot: (...args: string[]): Promise<CommandResult> =>
      runProgram(MAIN, { dir: directory, args, flags, within: AS_ROOT }),
    /** Runs a command as another user. */
    as: (uid: number, gid: number, ...args: string[]): Promise<CommandResult> =>
      runProgram(RUN_AS, {
        dir: directory,
        args: [`${uid}`, `${gid}`, ...args],
        flags: [...flags, "--allow-sys"],
        within: AS_ROOT,
      }),
    /** Runs a shell command as root in the directory of the log. */
    shell: (command: string) => shell(`cd ${directory} && ${command}`),
    /** Returns the name, and "uid:gid mode", of each file of the log. */
    async files(): Promise<[name: string, owner: string][]> {
      const text = await shell(`cd ${directory} && ls -ln`);
      return text.trim().split("\n").slice(1).map((line) => {
        const [mode = "", , uid, gid, , , , , name = ""] = line.split(/\s+/);
        return [name, `${uid}:${gid} ${octalOf(mode)}`];
      });
    },
    async [Symbol.asyncDispose]() {
      await shell(`rm -r ${directory}`);
      parent[Symbol.dispose]();
    },
  };
}

async function shell(command: string): Promise<string> {
  const [program = "", ...args] = [...AS_ROOT, "sh", "-c", command];
  const { code, stdout, stderr } = await new Deno.Command(program, { args }).output();
  const decoder = new TextDecoder();
  assertEquals(code, 0, decoder.decode(stderr));
  return decoder.decode(stdout);
}

function octal(mode: number): string {
  return mode.toString(8);
}

/** Returns the octal form of a mode that `ls` shows as text, such as 600 for "-rw-------". */
function octalOf(shown: string): string {
  const bits = [...shown.slice(1, 10)].map((letter) => letter === "-" ? 0 : 1);
  return Number.parseInt(bits.join(""), 2).toString(8);
}

/** A running service. */
class Service {
  readonly #process: Deno.ChildProcess;
  readonly #lines: ReadableStreamDefaultReader<string>;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;

  constructor(directory: string, path: string, rotationSizeBytes: number) {
    const ids = [`${OWNER.uid}`, `${OWNER.gid}`];
    const [program = "", ...args] = [
      ...AS_ROOT,
      Deno.execPath(),
      ...programArgs(SERVICE, {
        dir: directory,
        args: [...ids, path, `${rotationSizeBytes}`],
        flags: [
          `--allow-read=${directory}`,
          `--allow-write=${directory}`,
          "--allow-sys",
        ],
      }),
    ];
    this.#process = new Deno.Command(program, { args, stdin: "piped", stdout: "piped" }).spawn();
    this.#stdin = this.#process.stdin.getWriter();
    this.#lines = this.#process.stdout.pipeThrough(new TextDecoderStream())
      .pipeThrough(new TextLineStream()).getReader();
  }

  /** Runs a command of the service, and resolves with its result. */
  async run(command: string): Promise<unknown> {
    await this.#stdin.write(new TextEncoder().encode(`${command}\n`));
    return await this.#next();
  }

  /** Closes the log, and resolves with what its logger received. */
  async end(): Promise<unknown> {
    await this.#stdin.close();
    const problems = await this.#next();
    await this.#lines.cancel();
    await this.#process.status;
    return problems;
  }

  async #next(): Promise<unknown> {
    const { value } = await this.#lines.read();
    return JSON.parse(value ?? "null");
  }
}

const OWNED = `${OWNER.uid}:${OWNER.gid}`;
const RECORD = '{"ts":"2026-02-13T14:30:22Z","event":"imported"}\n';

/** The commands that change a log, with the number of events that each adds. */
const COMMANDS: readonly [name: string, args: (source: string) => string[], events: number][] = [
  ["rotate", () => ["rotate"], 0],
  ["import", (source) => ["import", source], 1],
  ["prune", () => ["prune", "--max-archives", "9"], 0],
];

/** What an administrator may have done to the files of a log: shell commands, and the owner and mode after them. */
const CHANGES: readonly [what: string, command: string, owner: string, mode: number][] = [
  ["mode 600", "true", OWNED, 0o600],
  ["mode 660", "chmod 660 audit*", OWNED, 0o660],
  [
    "mode 640 and another group",
    `chgrp ${READERS} audit*; chmod 640 audit*`,
    `${OWNER.uid}:${READERS}`,
    0o640,
  ],
];

for (const [command, args] of COMMANDS) {
  for (const [what, change, owner, mode] of CHANGES) {
    await testNeeding(
      ["root"],
      `scout ${command} by root keeps owner, group and mode of a log with ${what}`,
      async () => {
        await using log = await ownedLog();
        const service = log.start();
        for (let n = 0; n < 3; n++) {
          assertEquals(await service.run("log 2"), "done");
          assertEquals(await service.run("rotate"), "done");
        }
        assertEquals(await service.run("log 1"), "done");
        await log.shell(change);
        // The active file is full, so the import rotates it.
        if (command === "import") {
          await log.shell(
            `printf '{"x":"' >> audit.jsonl; head -c 11000000 /dev/zero | tr '\\0' x >> audit.jsonl; ` +
              `printf '"}\\n' >> audit.jsonl`,
          );
        }
        const source = log.writeSource("in.jsonl", RECORD);
        const { code, stderr } = await log.asRoot(...args(source), "--path", log.path);
        assertEquals([code, stderr], [0, ""]);
        assertEquals(await service.run("log 2"), "done");
        assertEquals(await service.run("spend"), 9 * 0.25);
        assertEquals(await service.end(), []);
        for (const [name, found] of await log.files()) {
          if (!name.endsWith(".lock")) assertEquals(found, `${owner} ${octal(mode)}`, name);
          else assertMatch(found, new RegExp(`^${OWNER.uid}:`));
        }
      },
    );
  }
}

await testNeeding(
  ["root"],
  "scout import by root creates a log for the owner of the directory",
  async () => {
    await using log = await ownedLog();
    const source = log.writeSource("in.jsonl", RECORD);
    const { code, stderr } = await log.asRoot("import", source, "--path", log.path);
    assertEquals([code, stderr], [0, ""]);
    assertEquals(await log.files(), [
      ["audit.jsonl", `${OWNED} 600`],
      ["audit.jsonl.lock", `${OWNED} 600`],
    ]);
    const service = log.start();
    assertEquals(await service.run("log 1"), "done");
    assertEquals(await service.run("rotate"), "done");
    assertEquals(await service.end(), []);
  },
);

for (const [command, args] of COMMANDS) {
  await testNeeding(
    ["root"],
    `scout ${command} by a user who may not assign files changes nothing, and names the owner`,
    async () => {
      await using log = await ownedLog({ directoryMode: 0o770 });
      const service = log.start();
      assertEquals(await service.run("log 2"), "done");
      assertEquals(await service.run("rotate"), "done");
      assertEquals(await service.run("log 1"), "done");
      await log.shell("chmod 660 audit*");
      const contents = () => log.shell("ls -l; cat audit*");
      const before = await contents();
      const source = log.writeSource("in.jsonl", RECORD);
      const found = await log.as(OTHER_USER, OWNER.gid, ...args(source), "--path", log.path);
      assertEquals(found.code, 2);
      assertEquals(
        found.stderr,
        `scout: Cannot open audit log: new files must belong to uid ${OWNER.uid}, gid ${OWNER.gid}, as the log ` +
          "does, and this process may not assign files to them; run it as that user, or as root: " +
          `${log.path}\n`,
      );
      assertEquals(await contents(), before);
      assertEquals(await service.end(), []);
    },
  );
}

await testNeeding(
  ["root"],
  "AuditLog keeps appending, and warns once, if it may not assign a new file to the group of the active file",
  async () => {
    await using log = await ownedLog();
    const service = log.start(500);
    assertEquals(await service.run("log 1"), "done");
    await log.shell(`chgrp ${READERS} audit.jsonl; chmod 640 audit.jsonl`);
    for (let n = 0; n < 20; n++) assertEquals(await service.run("log 2"), "done");
    assertMatch(String(await service.run("rotate")), /^AuditWriteError: Cannot seal audit log: /);
    assertEquals(await service.run("spend"), 41 * 0.25);
    const problems = await service.end();
    assert(Array.isArray(problems) && problems.length === 1, JSON.stringify(problems));
    assertMatch(
      problems[0],
      /must belong to uid 54321, gid 54400, as the log does, and this process may not assign/,
    );
    assertEquals(await log.files(), [
      ["audit.jsonl", `${OWNER.uid}:${READERS} 640`],
      ["audit.jsonl.lock", `${OWNED} 600`],
    ]);
  },
);

await testNeeding(
  ["root"],
  "AuditReader reads a log as a user who may read the files of the log, but not its lock file",
  async () => {
    await using log = await ownedLog({ directoryMode: 0o750 });
    const service = log.start();
    assertEquals(await service.run("log 1"), "done");
    await log.shell(`chgrp ${READERS} . audit.jsonl; chmod 640 audit.jsonl`);
    assertEquals((await log.asRoot("rotate", "--path", log.path)).code, 0);
    assertEquals(await service.run("log 2"), "done");
    const { code, stdout, stderr } = await log.as(
      OTHER_USER,
      READERS,
      ...["spend", "--path", log.path, "--json"],
    );
    assertEquals([code, stderr], [0, ""]);
    assertEquals(JSON.parse(stdout).usd, 0.75);
    assertEquals(await service.end(), []);
  },
);
