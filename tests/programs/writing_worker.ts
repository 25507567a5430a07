/**
 * A Worker that logs numbered events into small segments. It awaits every seventh call.
 *
 * @module
 */
import { AuditLog } from "@vivarium/scout";

/** The message that starts the Worker. */
export interface WritingOrder {
  path: string;
  /** Name of the writer. */
  by: string;
  count: number;
  rotationSizeBytes: number;
  /** Is true if the lines form a hash chain. */
  chain?: boolean;
  /** Number of events after which the Worker rotates. By default, it rotates by size only. */
  rotateEvery?: number;
}

interface WorkerScope {
  onmessage: ((event: MessageEvent<WritingOrder>) => void) | null;
  postMessage(message: unknown): void;
}
const scope = globalThis as unknown as WorkerScope;

scope.onmessage = async ({ data: { path, by, count, rotationSizeBytes, chain, rotateEvery } }) => {
  const log = await AuditLog.open({ path, rotationSizeBytes, chain: chain ?? false });
  for (let n = 0; n < count; n++) {
    const logged = log.log("nav", { by, n, text: "é".repeat(n % 300) });
    if (n % 7 === 0) await logged;
    if (rotateEvery !== undefined && n % rotateEvery === rotateEvery - 1) await log.rotate();
  }
  await log.close();
  scope.postMessage("closed");
};
