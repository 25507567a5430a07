/**
 * Where the chain of a log has come to before its active file.
 *
 * The sealed segments tell it by their last lines, and the archives by the manifest. An archive that the
 * manifest does not tell of, as it was lost, has to be decoded, which nobody does under a lock.
 *
 * @module
 */
import { basename } from "@std/path";
import { type ChainLink, later } from "../line/chain.ts";
import type { FileSystem } from "../platform/file_system.ts";
import { openInto } from "../platform/regular_file.ts";
import { type ContentReading, summaryOf } from "./archive_content.ts";
import { chainTail } from "./chain_tail.ts";
import { type ListedSegment, listSegments } from "./list_segments.ts";
import { ManifestReader } from "./manifest_reader.ts";
import type { LogFiles } from "./segment_name.ts";
import { lastLinkOf } from "./segment_summary.ts";

/** Where and how to look. */
export interface ChainHistoryOptions extends ContentReading {
  readonly fileSystem: FileSystem;
  readonly files: LogFiles;
}

/** The part of a chain that lies behind the active file. */
export class ChainHistory {
  readonly #options: ChainHistoryOptions;
  readonly #manifest: ManifestReader;
  /** The last place in those archives that the manifest did not tell of. */
  #untold: ChainLink | null = null;

  /** Looks at nothing yet. */
  constructor(options: ChainHistoryOptions) {
    this.#options = options;
    this.#manifest = new ManifestReader(options.fileSystem, options.files.manifest);
  }

  /** Looks into the archives that the manifest does not tell of, the newest first, up to one in the chain. */
  async prepare(): Promise<void> {
    const { byArchive } = this.#manifest.read();
    for (const { stamp, forms } of this.#segments()) {
      const path = this.#options.files.archive(stamp);
      if (forms.has("sealed") || !forms.has("archive") || byArchive.has(basename(path))) continue;
      const link = await this.#linkInArchive(path);
      this.#untold = later(this.#untold, link);
      if (link !== null) return;
    }
  }

  /** The last place of all; null if nothing is in a chain. */
  last(): ChainLink | null {
    const told = later(this.#untold, this.#manifest.read().lastLink);
    for (const { stamp, forms } of this.#segments()) {
      if (!forms.has("sealed")) continue;
      const link = this.#linkInSealed(this.#options.files.sealed(stamp));
      if (link !== null) return later(told, link);
    }
    return told;
  }

  /** The newest first. */
  #segments(): ListedSegment[] {
    const { fileSystem, files } = this.#options;
    return listSegments(fileSystem, files).reverse();
  }

  #linkInSealed(path: string): ChainLink | null {
    using stack = new DisposableStack();
    const handle = openInto(stack, this.#options.fileSystem, path);
    return handle === null ? null : chainTail(handle, handle.status().byteLength)?.link ?? null;
  }

  async #linkInArchive(path: string): Promise<ChainLink | null> {
    using stack = new DisposableStack();
    try {
      const archive = openInto(stack, this.#options.fileSystem, path);
      if (archive === null) return null;
      return lastLinkOf(await summaryOf(archive, this.#options));
    } catch (error) {
      // Damaged, or no plain file: readers tell of it, and a check of the log finds the gap.
      if (error instanceof TypeError) return null;
      throw error;
    }
  }
}
