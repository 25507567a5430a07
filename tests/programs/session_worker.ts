/**
 * A Worker that receives the path of a log, logs one event and posts the session ID of the event.
 *
 * @module
 */
import { AuditLog } from "@vivarium/scout";

interface WorkerScope {
  onmessage: ((event: MessageEvent<string>) => void) | null;
  postMessage(message: unknown): void;
}
const scope = globalThis as unknown as WorkerScope;

scope.onmessage = async ({ data: path }) => {
  const log = await AuditLog.open({ path });
  await log.log("nav");
  await log.close();
  scope.postMessage([log.sessionId]);
};
