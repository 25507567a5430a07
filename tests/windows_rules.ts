/**
 * Puts the real file system of this process under the rules of Windows. A test run preloads this file:
 *
 *     SCOUT_RULES=windows deno test --preload tests/windows_rules.ts
 *
 * @module
 */
import { denoFileSystem } from "../src/platform/deno_file_system.ts";
import type { FileSystem } from "../src/platform/file_system.ts";
import { RuledFileSystem } from "./ruled_file_system.ts";

const ruled = new RuledFileSystem({ ...denoFileSystem });
const methods: FileSystem = {
  status: (path) => ruled.status(path),
  directoryStatus: (path) => ruled.directoryStatus(path),
  open: (path, access) => ruled.open(path, access),
  list: (path) => ruled.list(path),
  listLater: (path) => ruled.listLater(path),
  rename: (from, to) => ruled.rename(from, to),
  link: (path, newPath) => ruled.link(path, newPath),
  remove: (path) => ruled.remove(path),
  removeAsync: (path) => ruled.removeAsync(path),
  makeDirectory: (path, withParents) => ruled.makeDirectory(path, withParents),
  syncDirectorySync: (path) => ruled.syncDirectorySync(path),
  syncDirectory: (path) => ruled.syncDirectory(path),
  watch: (path, onChange) => ruled.watch(path, onChange),
};
Object.assign(denoFileSystem, methods);
