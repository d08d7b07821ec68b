import { createError } from "../errors.js";
import { FilesSource, type NamedFile } from "../source-files.js";
import type { FileStream } from "../wasm/looplm.js";
import { readBlob } from "./blob.js";
import { sameVersion, type FileVersion } from "./manifest.js";
import type { Origin } from "./origin.js";
import { sha256 } from "./sha256.js";

/** A folder of Files: known by the names, sizes and dates of what is in it. */
export class FilesOrigin implements Origin {
  readonly address: string;
  readonly #files: ReadonlyMap<string, File>;
  readonly #source: FilesSource;

  private constructor(address: string, files: readonly NamedFile[], signal: AbortSignal) {
    this.address = address;
    this.#files = new Map(files.map(({ path, file }) => [path, file]));
    this.#source = new FilesSource(files, signal);
  }

  static async of(files: readonly NamedFile[], signal: AbortSignal): Promise<FilesOrigin> {
    const contents = files
      .map(({ path, file }) => JSON.stringify([path, file.size, file.lastModified]))
      .sort();
    return new FilesOrigin(`files:${(await sha256(contents.join("\n"))).slice(0, 16)}`, files, signal);
  }

  open(path: string): Promise<FileStream | null> {
    return this.#source.open(path);
  }

  version(path: string): FileVersion {
    const file = this.#files.get(path);
    return file === undefined ? {} : { bytes: file.size, lastModified: String(file.lastModified) };
  }

  isSame(path: string, kept: FileVersion): boolean {
    return sameVersion(kept, this.version(path));
  }

  tellsVersions(): boolean {
    return true;
  }

  async small(path: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const file = this.#files.get(path);
    return file && this.#read(file, path, 0, file.size);
  }

  async range(
    path: string,
    offset: number,
    bytes: number,
    _signal: AbortSignal,
    onBytes: (bytes: number) => void,
    spare?: ArrayBuffer,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const file = this.#files.get(path) ?? new File([], path);
    const found = await this.#read(file, path, offset, offset + bytes, spare);
    if (found.byteLength !== bytes) throw unreadable(path, offset + found.byteLength, file.size);
    onBytes(bytes);
    return found;
  }

  whole(path: string): Promise<FileStream | null> {
    return this.open(path);
  }

  forget(): void {
    // Nothing is remembered: a File that changes on the disk can no longer be read.
  }

  seen(): Record<string, FileVersion | null> {
    return {};
  }

  /** Other files have another address. */
  look(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  async #read(
    file: File,
    path: string,
    from: number,
    to: number,
    spare?: ArrayBuffer,
  ): Promise<Uint8Array<ArrayBuffer>> {
    try {
      return await readBlob(file.slice(from, to), spare);
    } catch (cause) {
      throw unreadable(path, from, file.size, cause);
    }
  }
}

function unreadable(path: string, received: number, size: number, cause?: unknown): Error {
  const message = `${path} could not be read after ${received} of ${size} bytes: moved or changed since it was chosen?`;
  return createError("network", message, { url: path, received, size }, { cause });
}
