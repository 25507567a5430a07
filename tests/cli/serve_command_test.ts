import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { AuditLog } from "@vivarium/scout";
import { silent } from "../loggers.ts";
import { testNeeding } from "../requirements.ts";
import { programArgs } from "../run_program.ts";
import { logWith, MAIN } from "./run_cli.ts";

/** Starts `scout serve` in a separate process with exactly these permission flags. */
function serving(flags: readonly string[], ...args: readonly string[]) {
  const process = new Deno.Command(Deno.execPath(), {
    args: programArgs(MAIN, { dir: "", args: ["serve", ...args], flags }),
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const stdout = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const stderr = new Response(process.stderr).text();
  return {
    process,
    /** Resolves with the first text that `scout serve` prints. */
    async said(): Promise<string> {
      return (await stdout.read()).value ?? "";
    },
    async ended() {
      await stdout.cancel();
      const { code, signal } = await process.status;
      return { code, signal, stderr: await stderr };
    },
  };
}

await testNeeding(
  "POSIX",
  "scout serve shows new events until Ctrl-C, and needs only the flags that it prints",
  async () => {
    using log = logWith();
    Deno.removeSync(log.path);
    const dir = log.dir.path("").replace(/\/$/, "");
    const flags = [`--allow-read=${dir}`, "--allow-net=127.0.0.1:0"];
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      const served = serving(flags, "--path", log.path, "--port", "0", "--budget", "3", "--json");
      const { url, flags: printed } = JSON.parse(await served.said());
      assertEquals(printed, flags);
      await using writer = await AuditLog.open({ path: log.path, logger: silent });
      await writer.log("nav", { cost: 0.25, model: "small" });
      let page = "";
      while (!page.includes("<bdi>nav</bdi>")) page = await (await fetch(url)).text();
      assertStringIncludes(page, "budget: $3.00 an hour");
      const updates = await fetch(`${url}events`);
      served.process.kill(signal);
      // The test starts the server twice. Only the first server has to wait for the log, because the log exists from
      // then on.
      const stderr = signal === "SIGINT"
        ? `scout: waiting for the audit log, which does not exist yet: ${log.path}\n`
        : "";
      assertEquals(await served.ended(), { code: 0, signal: null, stderr });
      await updates.text();
    }
  },
);

Deno.test("scout serve prints a URL with a token if the server listens on all addresses", async () => {
  using log = logWith();
  const dir = log.dir.path("");
  const flags = [`--allow-read=${dir}`, "--allow-net=0.0.0.0:0"];
  const args = ["--path", log.path, "--port", "0", "--hostname", "0.0.0.0"];
  const served = serving(flags, ...args);
  const said = await served.said();
  assertMatch(
    said,
    /^Serving http:\/\/0\.0\.0\.0:\d+\/\?token=[\da-f-]{36} until Ctrl-C; sufficient permissions: --allow-read=\S+ --allow-net=0\.0\.0\.0:0\n$/,
  );
  const [, port] = /:(\d+)\//.exec(said) ?? [];
  const { status, body } = await fetch(`http://127.0.0.1:${port}/`);
  await body?.cancel();
  assertEquals(status, 401);
  served.process.kill("SIGTERM");
  await served.ended();
});

Deno.test("scout serve reports a missing permission, and a port that is in use", async () => {
  using log = logWith();
  const read = `--allow-read=${log.dir.path("")}`;
  const forbidden = serving([read], "--path", log.path, "--port", "8789");
  const { code, stderr } = await forbidden.ended();
  assertEquals(code, 2);
  assertEquals(stderr, "scout: Cannot serve report: run again with --allow-net=127.0.0.1:8789\n");
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const taken = serving([read, "--allow-net=127.0.0.1"], "--path", log.path, "--port", `${port}`);
  const end = await taken.ended();
  assertEquals(end.code, 1);
  assertMatch(
    end.stderr,
    /^scout: Cannot serve report: 127\.0\.0\.1:\d+ is in use; choose another --port\n$/,
  );
});

await testNeeding(
  "POSIX",
  "scout serve shows all logs of a directory, and needs only the flags that it prints",
  async () => {
    using log = logWith();
    const dir = log.dir.path("runs");
    Deno.mkdirSync(dir);
    for (const name of ["a.jsonl", "b.jsonl"]) {
      await using writer = await AuditLog.open({ path: `${dir}/${name}`, logger: silent });
      await writer.log("nav", { cost: 0.25 });
    }
    const flags = [`--allow-read=${dir}`, "--allow-net=127.0.0.1:0"];
    const served = serving(flags, dir, "--port", "0", "--json");
    const { url, flags: printed } = JSON.parse(await served.said());
    assertEquals(printed, flags);
    for (const [address, usd] of [["", "$0.50"], ["?log=b.jsonl", "$0.25"]] as const) {
      let page = "";
      while (!page.includes(`<b id="usd">${usd}</b>`)) {
        page = await (await fetch(`${url}${address}`)).text();
      }
    }
    served.process.kill("SIGINT");
    assertEquals(await served.ended(), { code: 0, signal: null, stderr: "" });
  },
);
