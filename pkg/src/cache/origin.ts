import type { FileSource, FileStream } from "../wasm/looplm.js";
import type { FileVersion } from "./manifest.js";

/**
 * The folder that a model comes from. `open` is for planning: it gives small files and the beginnings of weight files, and
 * what it has told of a file the other methods hold it to.
 */
export interface Origin extends FileSource {
  /** What the cache knows the model by. */
  readonly address: string;
  /** Which version of a weight file `open` has found. */
  version(path: string): FileVersion;
  /** Whether what `open` has found of a weight file is of a version kept earlier. */
  isSame(path: string, kept: FileVersion): boolean;
  /** Whether it can be told from what `open` has found whether a file is still the same at another time. */
  tellsVersions(paths: readonly string[]): boolean;
  /** A small file, the same as `open` has given. */
  small(path: string): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /**
   * Bytes of a weight file, tried again where that may help. Throws `RangesRefused`: it comes whole or not at all. `spare`
   * is a buffer that may be used for them, and is given up.
   */
  range(
    path: string,
    offset: number,
    bytes: number,
    signal: AbortSignal,
    onBytes: (bytes: number) => void,
    spare?: ArrayBuffer,
  ): Promise<Uint8Array<ArrayBuffer>>;
  /** A weight file from its first byte to its last, begun again where that may help; null if there is none. */
  whole(path: string, signal: AbortSignal): Promise<FileStream | null>;
  /** Forgets what `open` has found: the folder has changed. */
  forget(): void;
  /** Which version of every file was found that was looked for since `forget`, by path; null where there was none. */
  seen(): Record<string, FileVersion | null>;
  /**
   * Which version of a file is there now, null where there is none; undefined where that cannot be found out, or need not
   * be, since nothing here changes.
   */
  look(path: string): Promise<FileVersion | null | undefined>;
}
