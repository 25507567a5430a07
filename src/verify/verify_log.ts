/**
 * Checks a log against its manifest and its chain: every archive's digest and figures, the chain of the
 * manifest and that of the lines, and that nothing is missing between the segments.
 *
 * The manifest is read before the snapshot of the files, which has to hold what it tells of, and again
 * behind it, when it has to tell of all archives of the snapshot; so writers may go on meanwhile.
 *
 * @module
 */
import {
  abortSignal,
  anything,
  callback,
  checkOptions,
  type OptionChecks,
} from "../options/option_checks.ts";
import { openInto } from "../platform/regular_file.ts";
import { basename, join } from "@std/path";
import { createHash } from "node:crypto";
import { readChunks } from "../platform/chunks.ts";
import { messageOf } from "../errors.ts";
import type { FileSystem } from "../platform/file_system.ts";
import { type SnapshotFile, takeSnapshot } from "../read/snapshot.ts";
import { decompressed } from "../segments/gzip.ts";
import { LogFiles } from "../segments/segment_name.ts";
import { lastLinkOf, SegmentScan } from "../segments/segment_summary.ts";
import { AnchorCheck } from "./anchor_check.ts";
import { type ArchiveContent, isNotOf, reasonAgainst } from "./archive_check.ts";
import { ChainCheck } from "./chain_check.ts";
import { type ManifestCheck, type NumberedLine, readManifest } from "./manifest_check.ts";
import { notShown } from "./not_shown.ts";
import { Faults, type VerifyOptions, type VerifyReport } from "./report.ts";

/** Where a log is, to be checked. */
export interface VerifySource {
  readonly fileSystem: FileSystem;
  readonly path: string;
  readonly maxLineBytes: number;
  /** Waited for before the check begins. */
  readonly beforeRead?: () => Promise<void>;
}

/** Calls of `onProgress` for a log, however large it is. */
const PROGRESS_STEPS = 400;
/** What is checked between two turns of the event loop: some milliseconds' work. */
const GZIP_CHUNK_BYTES = 16 * 1024;
const PLAIN_CHUNK_BYTES = 128 * 1024;

const OPTION_CHECKS: OptionChecks<VerifyOptions> = {
  // checkedAnchor() looks into it.
  anchor: anything,
  signal: abortSignal,
  onProgress: callback,
};

/**
 * Checks a log, in memory that does not grow with it but for its manifest. A log that is not there has
 * no faults.
 *
 * @throws the reason of an aborted signal.
 */
export async function verifyLog(
  source: VerifySource,
  options: VerifyOptions = {},
): Promise<VerifyReport> {
  checkOptions(options, OPTION_CHECKS, "verify audit log");
  await source.beforeRead?.();
  const files = new LogFiles(source.path);
  const before = readManifest(source.fileSystem, files);
  using snapshot = takeSnapshot(source.fileSystem, files);
  const manifest = readManifest(source.fileSystem, files);
  const check = new LogCheck(source, { ...options, files, manifest, snapshot: snapshot.files });
  return await check.run(new Set(before.lines.keys()));
}

interface LogCheckOptions extends VerifyOptions {
  readonly files: LogFiles;
  readonly manifest: ManifestCheck;
  readonly snapshot: readonly SnapshotFile[];
}

/** One check of a log. */
class LogCheck {
  readonly #source: VerifySource;
  readonly #options: LogCheckOptions;
  readonly #faults = new Faults();
  readonly #chain: ChainCheck;
  readonly #anchor: AnchorCheck;
  readonly #totalBytes: number;
  #readBytes = 0;
  #toldBytes = 0;
  #archives = 0;
  #lines = 0;
  #bytes = 0;
  #rebuilt = 0;
  /** Lines that are in no archive and in no chain. */
  #unprotected = 0;
  #torn: string[] = [];

  constructor(source: VerifySource, options: LogCheckOptions) {
    this.#source = source;
    this.#options = options;
    this.#anchor = new AnchorCheck(options.anchor);
    this.#chain = new ChainCheck({
      faults: this.#faults,
      maxLineBytes: source.maxLineBytes,
      onLink: (link, path, line) => this.#anchor.met(link, { path, line, faults: this.#faults }),
    });
    this.#totalBytes = options.snapshot.reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  /** Runs it; the archives that `required` names have to be there, if nobody has pruned them. */
  async run(required: ReadonlySet<string>): Promise<VerifyReport> {
    const { files, manifest, snapshot, anchor, signal } = this.#options;
    for (const fault of manifest.faults) this.#faults.add({ path: files.manifest, ...fault });
    for (const place of this.#places(required)) {
      signal?.throwIfAborted();
      if (place.file === undefined) this.#passOver(place.name);
      else if (place.file.isArchive) await this.#checkArchive(place.file);
      else await this.#checkPlain(place.file);
    }
    this.#anchor.end({
      faults: this.#faults,
      manifest,
      manifestPath: files.manifest,
      logPath: files.active,
      last: this.#chain.last,
    });
    const faults = this.#faults.list(files.active);
    this.#options.onProgress?.({ bytes: this.#totalBytes, totalBytes: this.#totalBytes });
    return {
      ok: faults.length === 0,
      archives: this.#archives,
      lines: this.#lines,
      bytes: this.#bytes,
      faults,
      notShown: snapshot.length === 0 && manifest.count === 0 ? [] : notShown({
        hasAnchor: anchor !== undefined,
        unprotectedLines: this.#unprotected,
        rebuiltArchives: this.#rebuilt,
        prunedArchives: manifest.pruned.size,
        tornFiles: this.#torn,
        tornManifestBytes: manifest.tornBytes,
      }),
    };
  }

  /** The files and the archives that should be there, in the order of their content. */
  #places(required: ReadonlySet<string>): { name: string; file: SnapshotFile | undefined }[] {
    const { files, manifest, snapshot } = this.#options;
    const places = new Map<string, SnapshotFile | undefined>();
    for (const name of manifest.lines.keys()) {
      // One that was archived since the snapshot is in it in another form.
      if (required.has(name)) places.set(name, undefined);
    }
    const segments = snapshot.filter(({ path }) => path !== files.active);
    // An empty file, or no file at all, at the path of a segment hides no archive.
    for (const file of segments) {
      const name = file.isArchive ? basename(file.path) : `${basename(file.path)}.gz`;
      if (file.byteLength > 0 || !places.has(name)) places.set(name, file);
    }
    const active = snapshot.find(({ path }) => path === files.active);
    return [
      ...[...places].map(([name, file]) => ({ name, file }))
        .sort((a, b) => a.name < b.name ? -1 : 1),
      ...active === undefined ? [] : [{ name: basename(active.path), file: active }],
    ];
  }

  /** An archive that is not there. */
  #passOver(name: string): void {
    const { files, manifest } = this.#options;
    const lines = manifest.lines.get(name) ?? [];
    this.#resumeBehind(lines);
    if (manifest.pruned.has(name)) return;
    this.#faults.add({
      path: join(files.directory, name),
      reason: `it is missing: line ${lines.at(-1)!.number} of the manifest tells of it`,
    });
  }

  /** Goes on with the chain behind a part that cannot be read. */
  #resumeBehind(lines: readonly NumberedLine[]): void {
    const last = lines.at(-1)?.line;
    if (last === undefined) this.#chain.resume(undefined);
    else this.#chain.resume(lastLinkOf(last) ?? this.#chain.last);
  }

  async #checkArchive(file: SnapshotFile): Promise<void> {
    const { files, manifest } = this.#options;
    const lines = manifest.lines.get(basename(file.path)) ?? [];
    const fault = (reason: string) => this.#faults.add({ path: file.path, reason });
    let content: ArchiveContent | null;
    try {
      content = await this.#readArchive(file, lines.length > 0);
    } catch (error) {
      this.#options.signal?.throwIfAborted();
      if (error instanceof Deno.errors.NotCapable) throw error;
      fault(`it cannot be read to its end: ${messageOf(error)}`);
      return this.#resumeBehind(lines);
    }
    if (content === null) {
      // A writer may have pruned it since the snapshot.
      const { pruned } = readManifest(this.#source.fileSystem, files);
      if (!pruned.has(basename(file.path))) fault("it was removed while the log was checked");
      return this.#resumeBehind(lines);
    }
    this.#archives++;
    if (lines.length === 0) {
      // What the Python original wrote has no manifest, until a writer of this library makes one.
      const isForeign = manifest.count === 0 && content.summary.last_seq === null;
      if (!isForeign) fault(`no line of the manifest tells of it: ${basename(files.manifest)}`);
      else this.#unprotected += content.summary.lines;
      return;
    }
    if (lines.at(-1)!.line.rebuilt) this.#rebuilt++;
    const reason = reasonAgainst(content, lines);
    if (reason !== undefined) fault(reason);
  }

  /** Reads an archive through; null for one that is gone. */
  async #readArchive(file: SnapshotFile, isVouchedFor: boolean): Promise<ArchiveContent | null> {
    const { fileSystem, maxLineBytes } = this.#source;
    using stack = new DisposableStack();
    const handle = openInto(stack, fileSystem, file.path);
    if (handle === null) return null;
    const scan = new SegmentScan(maxLineBytes);
    const check = this.#chain.file(file.path);
    const gzip = createHash("sha256");
    const { byteLength } = handle.status();
    const chunks = readChunks(handle, byteLength, { chunkBytes: GZIP_CHUNK_BYTES });
    const compressed = this.#counted(chunks, (chunk) => gzip.update(chunk));
    for await (const chunk of decompressed(compressed)) {
      scan.add(chunk);
      check.add(chunk);
    }
    const { lines, bytes } = check.end({ isVouchedFor });
    this.#lines += lines;
    this.#bytes += bytes;
    return { summary: scan.finish(), gzip_bytes: byteLength, gzip_sha256: gzip.digest("hex") };
  }

  /** A segment that is not archived yet, or the active file. */
  async #checkPlain(file: SnapshotFile): Promise<void> {
    const { handle, path, byteLength } = file;
    if (handle === null) {
      this.#faults.add({ path, reason: "it is no plain file" });
      return;
    }
    const check = this.#chain.file(path);
    const hash = createHash("sha256");
    const chunks = readChunks(handle, byteLength, { chunkBytes: PLAIN_CHUNK_BYTES });
    for await (const chunk of this.#counted(chunks, (chunk) => hash.update(chunk))) {
      check.add(chunk);
    }
    // One that is to be removed, as its archive is there, has to be the same.
    const told = this.#options.manifest.lines.get(`${basename(path)}.gz`)?.at(-1);
    const { lines, bytes, chained, isTorn } = check.end({ isVouchedFor: told !== undefined });
    this.#lines += lines;
    this.#bytes += bytes;
    if (told !== undefined && told.line.sha256 !== hash.digest("hex")) {
      this.#faults.add({ path, reason: isNotOf(told) });
    }
    if (told === undefined && chained === 0) this.#unprotected += lines;
    if (isTorn) this.#torn.push(basename(path));
  }

  async *#counted(
    chunks: AsyncIterable<Uint8Array<ArrayBuffer>>,
    onChunk?: (chunk: Uint8Array) => void,
  ): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    const { signal, onProgress } = this.#options;
    for await (const chunk of chunks) {
      signal?.throwIfAborted();
      onChunk?.(chunk);
      this.#readBytes += chunk.byteLength;
      if (this.#readBytes - this.#toldBytes > this.#totalBytes / PROGRESS_STEPS) {
        this.#toldBytes = this.#readBytes;
        onProgress?.({ bytes: this.#readBytes, totalBytes: this.#totalBytes });
      }
      yield chunk;
    }
  }
}
