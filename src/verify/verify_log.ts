/**
 * Checks a log for tampering, against its manifest (the file that lists the archives) and the hash chain of its lines.
 * Compares the digest and the figures of every archive with the manifest, follows the hash chains of the manifest and
 * of the lines, and reports missing archives.
 *
 * The manifest is read before and after the snapshot of the files. The snapshot must contain every archive that the
 * first reading lists. The second reading must list every archive in the snapshot. Therefore writers may append and
 * archive during the check.
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
import { basename } from "../platform/path.ts";
import { loadSha256, startSha256 } from "../line/digest.ts";
import { readChunks } from "../platform/chunks.ts";
import type { Clock } from "../platform/clock.ts";
import { Turns } from "../platform/turns.ts";
import { messageOf } from "../errors.ts";
import { type SnapshotFile, takeSnapshotInTurns } from "../read/snapshot.ts";
import { decompressed } from "../segments/gzip.ts";
import type { LogDirectory } from "../segments/log_directory.ts";
import { rollupBytes } from "../rollup/rollup_text.ts";
import { storedRollup } from "../segments/rollup_file.ts";
import { lastLinkOf, SegmentScan } from "../segments/segment_summary.ts";
import { AnchorCheck } from "./anchor_check.ts";
import { type ArchiveContent, isNotOf, reasonAgainst } from "./archive_check.ts";
import { ChainCheck } from "./chain_check.ts";
import { type ManifestCheck, type NumberedLine, readManifest } from "./manifest_check.ts";
import { notShown } from "./not_shown.ts";
import { Faults, type VerifyOptions, type VerifyReport } from "./report.ts";

/** The log to check. */
export interface VerifySource {
  readonly log: LogDirectory;
  readonly clock: Clock;
  readonly maxLineBytes: number;
  /**
   * Awaited before the check begins. The function of an open log resolves when every accepted event was written or
   * refused, so that the check includes these events.
   */
  readonly beforeRead?: () => Promise<void>;
}

/** Maximum number of progress reports for a log of any size, not counting the report at the end. */
const PROGRESS_STEPS = 400;
/** Number of compressed bytes to check in one turn of the event loop. The turn takes a few milliseconds. */
const GZIP_CHUNK_BYTES = 16 * 1024;
/** Number of uncompressed bytes to check in one turn of the event loop. The turn takes a few milliseconds. */
const PLAIN_CHUNK_BYTES = 128 * 1024;

const OPTION_CHECKS: OptionChecks<VerifyOptions> = {
  // Any value passes here, because AnchorCheck checks the anchor.
  anchor: anything,
  signal: abortSignal,
  onProgress: callback,
};

/**
 * Checks a log for faults. The memory that the check needs grows with the manifest, but not with the size of the other
 * files. A log that does not exist has no faults.
 *
 * @throws {TypeError} If an option is invalid.
 * @throws {Error} The reason of the signal, if it is aborted.
 */
export async function verifyLog(
  source: VerifySource,
  options: VerifyOptions = {},
): Promise<VerifyReport> {
  checkOptions(options, OPTION_CHECKS, "verify audit log");
  await source.beforeRead?.();
  const { log } = source;
  const turns = new Turns(source.clock);
  await loadSha256(turns);
  const before = await readManifest(log, turns);
  using snapshot = await takeSnapshotInTurns(log, turns);
  const manifest = await readManifest(log, turns);
  let totalBytes = 0;
  // `byteLength` looks up the length of an archive when it is first read, so a large directory takes several steps.
  for (const file of snapshot.files) {
    if (turns.isDue) await turns.take();
    totalBytes += file.byteLength;
  }
  const check = new LogCheck(source, {
    ...options,
    manifest,
    snapshot: snapshot.files,
    totalBytes,
    turns,
  });
  return await check.run(new Set(before.lines.keys()));
}

interface LogCheckOptions extends VerifyOptions {
  readonly manifest: ManifestCheck;
  readonly snapshot: readonly SnapshotFile[];
  /** Total length of the files of the snapshot in bytes. */
  readonly totalBytes: number;
  readonly turns: Turns;
}

/** One check of a log. */
class LogCheck {
  readonly #source: VerifySource;
  readonly #options: LogCheckOptions;
  readonly #faults = new Faults();
  readonly #chain: ChainCheck;
  readonly #anchor: AnchorCheck;
  #readBytes = 0;
  #reportedBytes = 0;
  #archives = 0;
  #lines = 0;
  #bytes = 0;
  #rebuilt = 0;
  /**
   * Number of lines that nothing protects: they have no hash, and they are in no archive that the manifest lists with a
   * digest.
   */
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
  }

  /**
   * Runs the check. Each archive in `required` must exist, unless the manifest records that retention has deleted it.
   */
  async run(required: ReadonlySet<string>): Promise<VerifyReport> {
    const { files } = this.#source.log;
    const { manifest, snapshot, anchor, signal, totalBytes, turns } = this.#options;
    for (const fault of manifest.faults) this.#faults.add({ path: files.manifest, ...fault });
    for (const place of this.#places(required)) {
      signal?.throwIfAborted();
      if (turns.isDue) await turns.take();
      if (place.file === undefined) this.#passOver(place.name);
      else if (place.file.isArchive) await this.#checkArchive(place.file);
      else await this.#checkPlain(place.file);
    }
    this.#anchor.end({
      faults: this.#faults,
      manifest,
      files,
      last: this.#chain.last,
    });
    const faults = this.#faults.list(files.active);
    this.#options.onProgress?.({ bytes: totalBytes, totalBytes });
    return {
      ok: faults.length === 0,
      archives: this.#archives,
      lines: this.#lines,
      bytes: this.#bytes,
      faults,
      notShown: snapshot.length === 0 && manifest.count === 0 ? [] : notShown({
        anchor: anchor === undefined
          ? "none"
          : anchor.seq === null
          ? "without a chain"
          : "with a chain",
        unprotectedLines: this.#unprotected,
        rebuiltArchives: this.#rebuilt,
        prunedArchives: manifest.pruned.size,
        tornFiles: this.#torn,
        tornManifestBytes: manifest.tornBytes,
      }),
    };
  }

  /** Returns the existing files and the required archives in the order of the log. */
  #places(required: ReadonlySet<string>): { name: string; file: SnapshotFile | undefined }[] {
    const { files } = this.#source.log;
    const { manifest, snapshot } = this.#options;
    const places = new Map<string, SnapshotFile | undefined>();
    for (const name of manifest.lines.keys()) {
      // An archive that was written after the snapshot is not required, because the snapshot has its events in a file
      // that is not compressed.
      if (required.has(name)) places.set(name, undefined);
    }
    const segments = snapshot.filter(({ path }) => path !== files.active);
    // The path of a segment may be an empty file or not a regular file. Such a path must not hide the archive of the
    // segment: the archive is checked, or reported as missing.
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

  /**
   * Continues the check after an archive that does not exist. Reports a fault, unless the manifest records that
   * retention has deleted the archive.
   */
  #passOver(name: string): void {
    const { manifest } = this.#options;
    const lines = manifest.lines.get(name) ?? [];
    this.#resumeBehind(lines);
    if (manifest.pruned.has(name)) return;
    this.#faults.add({
      path: this.#source.log.files.at(name),
      reason: `this archive is missing: line ${lines.at(-1)!.number} of the manifest lists it`,
    });
  }

  /**
   * Continues the hash chain after a missing or unreadable archive. Takes the last hash in the archive from `lines`,
   * the lines of this archive in the manifest.
   */
  #resumeBehind(lines: readonly NumberedLine[]): void {
    const last = lines.at(-1)?.line;
    if (last === undefined) this.#chain.resume(undefined);
    else this.#chain.resume(lastLinkOf(last) ?? this.#chain.last);
  }

  async #checkArchive(file: SnapshotFile): Promise<void> {
    const { log } = this.#source;
    const { manifest } = this.#options;
    const lines = manifest.lines.get(basename(file.path)) ?? [];
    const fault = (reason: string) => this.#faults.add({ path: file.path, reason });
    let content: ArchiveContent | null;
    try {
      content = await this.#readArchive(file, lines.length > 0);
    } catch (error) {
      this.#options.signal?.throwIfAborted();
      if (error instanceof Deno.errors.NotCapable) throw error;
      fault(`this archive cannot be read to its end: ${messageOf(error)}`);
      return this.#resumeBehind(lines);
    }
    if (content === null) {
      // Since the snapshot, the retention of a writer may have deleted the archive, which is not a fault.
      const { pruned } = await readManifest(log, this.#options.turns);
      if (!pruned.has(basename(file.path))) fault("this archive was removed during the check");
      return this.#resumeBehind(lines);
    }
    this.#archives++;
    if (lines.length === 0) {
      // A log that the original Python class wrote has no manifest until a writer of this library opens it. An archive
      // without a manifest line is then not a fault.
      const isForeign = manifest.count === 0 && content.summary.last_seq === null;
      if (!isForeign) {
        fault(`the manifest does not list this archive: ${basename(log.files.manifest)}`);
      } else this.#unprotected += content.summary.lines;
      return;
    }
    if (lines.at(-1)!.line.rebuilt) this.#rebuilt++;
    const reason = reasonAgainst(content, lines);
    if (reason !== undefined) fault(reason);
    else await this.#checkRollup(file, lines.at(-1)!, content);
  }

  /**
   * Checks the file with the sums of an archive. A missing file is not a fault, because the next writer that opens the
   * log computes the sums again.
   */
  async #checkRollup(
    { path }: SnapshotFile,
    { line, number }: NumberedLine,
    { rollup, stored, summary }: ArchiveContent,
  ): Promise<void> {
    const { log } = this.#source;
    const { stamp } = log.files.parse(basename(path))!;
    const digest = line.rollup_sha256;
    if (digest === undefined) return;
    if (stored === null) return;
    const fault = (reason: string) => this.#faults.add({ path: log.files.rollup(stamp), reason });
    if (stored.digest !== digest || !stored.isWhole) {
      fault(
        `the sums in this file differ from line ${number} of the manifest; delete the file, and the next writer that ` +
          "opens the log computes them again",
      );
      return;
    }
    const { fields } = stored;
    const expected = rollup === null
      ? null
      : await rollupBytes(rollup, { content_sha256: summary.sha256, fields });
    if (expected?.digest === digest) return;
    fault(`the sums in this file and in line ${number} of the manifest differ from the archive`);
  }

  /** Reads a whole archive and returns its digests and figures, or null if the archive no longer exists. */
  async #readArchive(file: SnapshotFile, isVouchedFor: boolean): Promise<ArchiveContent | null> {
    const { log, maxLineBytes } = this.#source;
    using stack = new DisposableStack();
    const handle = log.open(file.path, stack);
    if (handle === null) return null;
    const { stamp } = log.files.parse(basename(file.path))!;
    const stored = await storedRollup(log, stamp);
    const scan = new SegmentScan(maxLineBytes, stored?.fields);
    const check = this.#chain.file(file.path);
    const gzip = startSha256();
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
    const summary = scan.finish();
    const gzip_sha256 = gzip.digest("hex");
    return { summary, rollup: scan.rollup, stored, gzip_bytes: byteLength, gzip_sha256 };
  }

  /** Checks a segment that is not archived yet, or the active file. */
  async #checkPlain(file: SnapshotFile): Promise<void> {
    const { handle, path, byteLength } = file;
    if (handle === null) {
      this.#faults.add({ path, reason: "this path is not a regular file" });
      return;
    }
    const check = this.#chain.file(path);
    const hash = startSha256();
    const chunks = readChunks(handle, byteLength, { chunkBytes: PLAIN_CHUNK_BYTES });
    for await (const chunk of this.#counted(chunks, (chunk) => hash.update(chunk))) {
      check.add(chunk);
    }
    // The manifest may already list the archive of this segment. The segment must then have the content that the
    // manifest line of the archive describes.
    const listed = this.#options.manifest.lines.get(`${basename(path)}.gz`)?.at(-1);
    const { lines, bytes, chained, isTorn } = check.end({ isVouchedFor: listed !== undefined });
    this.#lines += lines;
    this.#bytes += bytes;
    if (listed !== undefined && listed.line.sha256 !== hash.digest("hex")) {
      this.#faults.add({ path, reason: isNotOf(listed) });
    }
    if (listed === undefined && chained === 0) this.#unprotected += lines;
    if (isTorn) this.#torn.push(basename(path));
  }

  async *#counted(
    chunks: AsyncIterable<Uint8Array<ArrayBuffer>>,
    onChunk?: (chunk: Uint8Array) => void,
  ): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    const { signal, onProgress, totalBytes, turns } = this.#options;
    for await (const chunk of chunks) {
      signal?.throwIfAborted();
      if (turns.isDue) await turns.take();
      onChunk?.(chunk);
      this.#readBytes += chunk.byteLength;
      if (this.#readBytes - this.#reportedBytes > totalBytes / PROGRESS_STEPS) {
        this.#reportedBytes = this.#readBytes;
        onProgress?.({ bytes: this.#readBytes, totalBytes });
      }
      yield chunk;
    }
  }
}
