/**
 * A Worker that receives the path of a log, opens and closes the log fifty times, and posts the log's session IDs.
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
  const ids = new Set<string>();
  for (let round = 0; round < 50; round++) {
    await using log = await AuditLog.open({ path });
    ids.add(log.sessionId);
  }
  scope.postMessage([...ids]);
};
