/**
 * Logs events, then ends in the manner that the second argument names, for example by an uncaught error.
 *
 * @module
 */
import process from "node:process";
import { AuditLog } from "@vivarium/scout";

const [path = "", manner = ""] = Deno.args;
// If the log shares its session ID with Workers, it has an open BroadcastChannel. Deno then does not notice a top-level
// await that never ends.
const sessionId = manner === "awaits_forever" ? { sessionId: "s" } : {};
const log = await AuditLog.open({ path, ...sessionId });

switch (manner) {
  case "awaited_then_killed":
    await log.log("nav");
    Deno.kill(Deno.pid, "SIGKILL");
    break;
  case "turn_over_then_killed":
    log.log("nav");
    await Promise.resolve().then(() => {}).then(() => {});
    // A signal can lose only events accepted in the event-loop turn in which it arrives.
    setTimeout(() => Deno.kill(Deno.pid, "SIGKILL"), 0);
    break;
  case "throws":
    log.log("nav");
    throw new Error("thrown on purpose");
  case "throws_in_a_callback":
    setTimeout(() => {
      log.log("nav");
      throw new Error("thrown on purpose");
    }, 0);
    break;
  case "rejects":
    log.log("nav");
    Promise.reject(new Error("rejected on purpose"));
    break;
  case "exits":
    log.log("nav");
    Deno.exit(3);
    break;
  case "exits_in_a_microtask":
    queueMicrotask(() => {
      queueMicrotask(() => queueMicrotask(() => Deno.exit(3)));
      log.log("nav");
    });
    break;
  case "exits_through_node":
    log.log("nav");
    process.exit(3);
    break;
  case "awaits_forever":
    await log.log("nav");
    await new Promise(() => {});
    break;
  case "ends":
    log.log("nav");
    break;
  case "ends_quietly_later":
    await log.log("nav");
    await log.log("nav");
    await log.log("nav");
    // Keeps the process alive longer than fsyncIntervalSec, without another call of log().
    setTimeout(() => {}, 1_150);
    break;
  case "logs_badly":
    log.log("nav", { cost: -1 });
    setTimeout(() => console.log("still here"), 10);
    break;
  default:
    throw new Error(`Unknown manner: ${manner}`);
}
