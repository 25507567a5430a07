/**
 * Tests commands that one user runs on a log that belongs to another user. The tests run as root, because only root can
 * start programs as other users.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { TextLineStream } from "@std/streams";
import { MAIN } from "./cli/run_cli.ts";
import type { Change, Listed } from "./programs/administers.ts";
import { AS_ROOT, testNeeding } from "./requirements.ts";
import type { CommandResult } from "./run_command.ts";
import { programArgs, runProgram } from "./run_program.ts";
import { tempDir } from "./temp_dir.ts";

const SERVICE = fromFileUrl(new URL("./programs/service.ts", import.meta.url));
const ADMINISTERS = fromFileUrl(new URL("./programs/administers.ts", import.meta.url));
const RUN_AS = fromFileUrl(new URL("./programs/run_as.ts", import.meta.url));

/** The user and group that own the log. Their IDs need no entry in the system's list of users. */
const OWNER = { uid: 54_321, gid: 54_321 };
/** A group that the owner does not belong to. */
const READERS = 54_400;
const OTHER_USER = 54_322;

/** A directory of the owner, and functions that run programs on the log in it. */
async function ownedLog({ directoryMode = 0o700 } = {}) {
  const parent = tempDir();
  const directory = parent.path("log");
  const path = `${directory}/audit.jsonl`;
  const link = parent.path("link");
  const flags = [`--allow-read=${parent.path("")}`, `--allow-write=${directory},${link}`];
  const administer = async (...changes: readonly Change[]): Promise<readonly Listed[]> => {
    const result = await runProgram(ADMINISTERS, {
      dir: directory,
      args: [directory, JSON.stringify(changes)],
      within: AS_ROOT,
    });
    assertEquals(result.code, 0, result.stderr);
    return JSON.parse(result.stdout);
  };
  Deno.chmodSync(parent.path(""), 0o755);
  await administer({ owner: OWNER, mode: directoryMode });
  return {
    path,
    /** The path of a symlink that a test may create beside the directory. */
    link,
    /** Creates a file beside the log that every user may read. */
    writeSource(name: string, text: string): string {
      Deno.writeTextFileSync(parent.path(name), text, { mode: 0o644 });
      return parent.path(name);
    },
    /** Starts a service that writes the log as its owner. */
    start: (rotationSizeBytes = 10_485_760) => new Service(directory, path, rotationSizeBytes),
    /** Runs a command as root. */
    asRoot: (...args: string[]): Promise<CommandResult> =>
      runProgram(MAIN, { dir: directory, args, flags, within: AS_ROOT }),
    /** Runs a command as root of a user namespace that has no other user. */
    asRootOfNamespace: (...args: string[]): Promise<CommandResult> =>
      runProgram(MAIN, {
        dir: directory,
        args,
        flags,
        within: ["unshare", "-Ur"],
      }),
    /** Runs a command as another user. */
    as: (uid: number, gid: number, ...args: string[]): Promise<CommandResult> =>
      runProgram(RUN_AS, {
        dir: directory,
        args: [`${uid}`, `${gid}`, ...args],
        flags: [...flags, "--allow-sys"],
        within: AS_ROOT,
      }),
    /** Changes the directory as root, and resolves with its files. */
    administer,
    async [Symbol.asyncDispose]() {
      await administer({ remove: true });
      parent[Symbol.dispose]();
    },
  };
}

function ownersOf(files: readonly Listed[]): [name: string, owner: string][] {
  return files.map(({ name, owner }) => [name, owner]);
}

function octal(mode: number): string {
  return mode.toString(8);
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

  /** Sends a command to the service, and resolves with the result. */
  async run(command: string): Promise<unknown> {
    await this.#stdin.write(new TextEncoder().encode(`${command}\n`));
    return await this.#next();
  }

  /** Closes the log, and resolves with the warnings and errors that its logger received. */
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

/** Changes that an administrator may have made to the files of a log, each with the resulting owner and mode. */
const CHANGES: readonly [what: string, change: Change, owner: string, mode: number][] = [
  ["mode 600", {}, OWNED, 0o600],
  ["mode 660", { mode: 0o660 }, OWNED, 0o660],
  [
    "mode 640 and another group",
    { owner: { gid: READERS }, mode: 0o640 },
    `${OWNER.uid}:${READERS}`,
    0o640,
  ],
];

await testNeeding(
  ["root"],
  "A service that may not read the npm cache opens a log, and its errors name the invalid field",
  async () => {
    await using log = await ownedLog();
    const service = log.start();
    assertEquals(await service.run("log 2"), "done");
    // The words of the requirement come from an npm package, which the service may be allowed to read or not.
    assertMatch(
      `${await service.run("refuse")}`,
      /^AuditEventError: Cannot log event: the field "cost" must be .+, got -1$/,
    );
    assertEquals(await service.run("log 1"), "done");
    assertEquals(await service.run("spend"), 0.75);
    assertEquals(await service.end(), []);
  },
);

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
        await log.administer({ files: "*", ...change });
        // The active file is full, so the import rotates it.
        if (command === "import") {
          await log.administer({ files: "audit.jsonl", appendBytes: 11_000_000 });
        }
        const source = log.writeSource("in.jsonl", RECORD);
        const { code, stderr } = await log.asRoot(...args(source), "--path", log.path);
        assertEquals([code, stderr], [0, ""]);
        assertEquals(await service.run("log 2"), "done");
        assertEquals(await service.run("spend"), 9 * 0.25);
        assertEquals(await service.end(), []);
        for (const file of await log.administer()) {
          if (file.name.endsWith(".lock")) assertMatch(file.owner, new RegExp(`^${OWNER.uid}:`));
          else assertEquals(file.owner, `${owner} ${octal(mode)}`, file.name);
        }
      },
    );
  }
}

await testNeeding(
  ["root"],
  "scout import by root creates a log that belongs to the owner of the directory",
  async () => {
    await using log = await ownedLog();
    const source = log.writeSource("in.jsonl", RECORD);
    const { code, stderr } = await log.asRoot("import", source, "--path", log.path);
    assertEquals([code, stderr], [0, ""]);
    assertEquals(ownersOf(await log.administer()), [
      ["audit.jsonl", `${OWNED} 600`],
      ["audit.jsonl.lock", `${OWNED} 600`],
    ]);
    const service = log.start();
    assertEquals(await service.run("log 1"), "done");
    assertEquals(await service.run("rotate"), "done");
    assertEquals(await service.end(), []);
  },
);

await testNeeding(
  ["root"],
  "scout import by root through a symlinked directory creates a log that belongs to the owner of the directory",
  async () => {
    await using log = await ownedLog();
    const source = log.writeSource("in.jsonl", RECORD);
    Deno.symlinkSync("log", log.link);
    const path = `${log.link}/audit.jsonl`;
    const { code, stderr } = await log.asRoot("import", source, "--path", path);
    assertEquals([code, stderr], [0, ""]);
    assertEquals(ownersOf(await log.administer()), [
      ["audit.jsonl", `${OWNED} 600`],
      ["audit.jsonl.lock", `${OWNED} 600`],
    ]);
  },
);

await testNeeding(
  ["root"],
  "scout rotate, run four times at once by root while the owner writes, keeps owner, group and mode of all files",
  async () => {
    await using log = await ownedLog();
    const service = log.start();
    assertEquals(await service.run("log 1"), "done");
    await log.administer({
      files: "audit.jsonl",
      owner: { gid: READERS },
      mode: 0o640,
    });
    // A process that opens the log between the sealing and the archiving of a segment archives the segment itself, and
    // warns, because it may not assign the archive to the group. So the owner's processes open the log before.
    const others = [log.start(), log.start()];
    for (const each of others) assertEquals(await each.run("spend"), 0.25);
    const rotations = Array.from({ length: 4 }, () => log.asRoot("rotate", "--path", log.path));
    for (const each of [service, ...others]) assertEquals(await each.run("log 2"), "done");
    for (const { code, stderr } of await Promise.all(rotations)) {
      assertEquals([code, stderr], [0, ""]);
    }
    assertEquals(await service.run("spend"), 7 * 0.25);
    for (const each of [service, ...others]) assertEquals(await each.end(), []);
    for (const { name, owner } of await log.administer()) {
      const expected = name.endsWith(".lock") ? `${OWNED} 600` : `${OWNER.uid}:${READERS} 640`;
      assertEquals(owner, expected, name);
    }
  },
);

await testNeeding(
  ["root", "namespaces"],
  "scout rotate in a user namespace that lacks the owner of the log changes nothing, and names the reason",
  async () => {
    await using log = await ownedLog({ directoryMode: 0o777 });
    const service = log.start();
    assertEquals(await service.run("log 1"), "done");
    assertEquals(await service.end(), []);
    const before = await log.administer({ files: "*", mode: 0o666 });
    const { code, stderr } = await log.asRootOfNamespace("rotate", "--path", log.path);
    assertEquals(code, 2);
    assertMatch(
      stderr,
      /^scout: Cannot open audit log: new files must belong to uid \d+, gid \d+, as/,
    );
    assertEquals(await log.administer(), before);
  },
);

for (const [command, args] of COMMANDS) {
  await testNeeding(
    ["root"],
    `scout ${command} by a user who may not create files for the owner changes nothing, and names the owner`,
    async () => {
      await using log = await ownedLog({ directoryMode: 0o770 });
      const service = log.start();
      assertEquals(await service.run("log 2"), "done");
      assertEquals(await service.run("rotate"), "done");
      assertEquals(await service.run("log 1"), "done");
      const before = await log.administer({ files: "*", mode: 0o660 });
      const source = log.writeSource("in.jsonl", RECORD);
      const found = await log.as(OTHER_USER, OWNER.gid, ...args(source), "--path", log.path);
      assertEquals(found.code, 2);
      assertEquals(
        found.stderr,
        `scout: Cannot open audit log: new files must belong to uid ${OWNER.uid}, gid ${OWNER.gid}, as the log ` +
          "does, and this process may not assign files to them; run it as that user, or as root: " +
          `${log.path}\n`,
      );
      assertEquals(await log.administer(), before);
      assertEquals(await service.end(), []);
    },
  );
}

await testNeeding(
  ["root"],
  "AuditLog keeps appending to a full file, and warns once, if it may not create the next file in the same group",
  async () => {
    await using log = await ownedLog();
    const service = log.start(500);
    assertEquals(await service.run("log 1"), "done");
    await log.administer({ files: "audit.jsonl", owner: { gid: READERS }, mode: 0o640 });
    for (let n = 0; n < 20; n++) assertEquals(await service.run("log 2"), "done");
    assertMatch(String(await service.run("rotate")), /^AuditWriteError: Cannot seal audit log: /);
    assertEquals(await service.run("spend"), 41 * 0.25);
    const problems = await service.end();
    assert(Array.isArray(problems) && problems.length === 1, JSON.stringify(problems));
    assertMatch(
      problems[0],
      /must belong to uid 54321, gid 54400, as the log does, and this process may not assign/,
    );
    assertEquals(ownersOf(await log.administer()), [
      ["audit.jsonl", `${OWNER.uid}:${READERS} 640`],
      ["audit.jsonl.lock", `${OWNED} 600`],
    ]);
  },
);

await testNeeding(
  ["root"],
  "AuditReader reads a log as a user who may read all files of the log except the lock file",
  async () => {
    await using log = await ownedLog({ directoryMode: 0o750 });
    const service = log.start();
    assertEquals(await service.run("log 1"), "done");
    await log.administer({ owner: { gid: READERS } });
    await log.administer({ files: "audit.jsonl", owner: { gid: READERS }, mode: 0o640 });
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
