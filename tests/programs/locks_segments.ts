/**
 * Plants a fault for the rules of Windows: each segment (closed file of a log) is locked as soon as it is opened. The
 * log itself would have this fault if it locked a segment that it compresses, instead of a separate claim file. A test
 * run preloads this file in place of `windows_rules.ts`.
 *
 * @module
 */
import "../windows_rules.ts";
import { denoFileSystem } from "../../src/platform/deno_file_system.ts";
import type { FileAccess } from "../../src/platform/file_system.ts";

const { open } = denoFileSystem;
Object.assign(denoFileSystem, {
  open(path: string, access: FileAccess) {
    // The handle is never closed, so the lock stays for as long as the process.
    if (/_\d{8}_\d{6}\.jsonl$/.test(path)) open(path, "read").tryLock();
    return open(path, access);
  },
});
