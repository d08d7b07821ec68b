import { createError } from "../errors.js";
import { BytesStream } from "../source-bytes.js";
import { fileAddress, folderAddress, isStartPage } from "../source-url.js";
import type { FileStream } from "../wasm/looplm.js";
import { ask, type Answer } from "./http.js";
import { isPinned } from "./hugging-face.js";
import { sameVersion, stillSame, tellsVersion, type FileVersion } from "./manifest.js";
import type { Origin } from "./origin.js";
import { fetchRange, RangesRefused, SourceChanged } from "./ranges.js";
import { pause, retrying, TransientError, type Pause } from "./retry.js";
import { WholeFile } from "./whole-file.js";

/** Bytes of a weight file that the first request asks for: most headers are shorter. */
const FIRST_RANGE = 256 * 1024;
/** Most bytes of a later one. */
const MAX_RANGE = 4 * 1024 * 1024;

/** A folder on a server. */
export class UrlOrigin implements Origin {
  readonly address: string;
  readonly #signal: AbortSignal;
  readonly #pause: Pause;
  /** Of every file that was looked for; null where there was none. */
  readonly #versions = new Map<string, FileVersion | null>();
  readonly #whole = new Set<string>();
  readonly #small = new Map<string, Promise<Uint8Array<ArrayBuffer> | undefined>>();

  /** `base` is absolute. The signal ends everything. */
  constructor(base: string, signal: AbortSignal, wait: Pause = pause) {
    this.address = folderAddress(base);
    this.#signal = signal;
    this.#pause = wait;
  }

  async open(path: string): Promise<FileStream | null> {
    if (path.endsWith(".safetensors")) return this.#openWeights(path);
    const bytes = await this.small(path);
    return bytes === undefined ? null : new BytesStream(bytes);
  }

  version(path: string): FileVersion {
    return this.#versions.get(path) ?? {};
  }

  isSame(path: string, kept: FileVersion): boolean {
    const found = this.version(path);
    return isPinned(this.address) ? stillSame(kept, found) : sameVersion(kept, found);
  }

  tellsVersions(paths: readonly string[]): boolean {
    return isPinned(this.address) || paths.every((path) => tellsVersion(this.version(path)));
  }

  small(path: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    let bytes = this.#small.get(path);
    if (bytes === undefined) {
      bytes = this.#fetchSmall(path);
      this.#small.set(path, bytes);
      bytes.catch(() => this.#small.delete(path));
    }
    return bytes;
  }

  async range(
    path: string,
    offset: number,
    bytes: number,
    signal: AbortSignal,
    onBytes: (bytes: number) => void,
    spare?: ArrayBuffer,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const url = this.#url(path);
    if (this.#whole.has(path)) throw new RangesRefused(url, "as before");
    const range = { offset, end: offset + bytes };
    const known = this.version(path);
    try {
      const found = await retrying(
        () => fetchRange(url, range, known, signal, onBytes, spare),
        signal,
        this.#pause,
      );
      // A file that is gone, or shorter than it was, is another one.
      if (found?.bytes.byteLength !== bytes) throw new SourceChanged(url);
      return found.bytes;
    } catch (thrown) {
      if (thrown instanceof RangesRefused) this.#whole.add(path);
      throw thrown;
    }
  }

  async whole(path: string, signal: AbortSignal): Promise<FileStream | null> {
    const url = this.#url(path);
    const known = this.#versions.get(path) ?? undefined;
    const missing = (answer: Answer): boolean => isMissing(answer, path);
    const file = await WholeFile.open(url, known, signal, this.#pause, missing);
    if (file === undefined && known !== undefined) throw new SourceChanged(url);
    this.#versions.set(path, known ?? file?.version ?? null);
    return file ?? null;
  }

  forget(): void {
    this.#versions.clear();
    this.#small.clear();
  }

  seen(): Record<string, FileVersion | null> {
    return Object.fromEntries(this.#versions);
  }

  async look(path: string): Promise<FileVersion | null | undefined> {
    if (isPinned(this.address)) return undefined;
    try {
      // Not a HEAD request: some servers answer it otherwise than GET, or not at all.
      const answer = await ask(this.#url(path), this.#signal, { offset: 0, end: 1 });
      answer.close();
      if (isMissing(answer, path)) return null;
      // 416: there is not one byte.
      return { ...answer.version, ...(answer.status === 416 ? { bytes: 0 } : sizeOf(answer)) };
    } catch (thrown) {
      if (this.#signal.aborted) throw thrown;
      return undefined;
    }
  }

  async #openWeights(path: string): Promise<FileStream | null> {
    try {
      if (!this.#whole.has(path)) return await this.#openRanges(path);
    } catch (thrown) {
      if (!(thrown instanceof RangesRefused)) throw thrown;
      this.#whole.add(path);
    }
    return this.whole(path, this.#signal);
  }

  async #openRanges(path: string): Promise<FileStream | null> {
    const url = this.#url(path);
    const known = this.#versions.get(path);
    const fetch = (offset: number, bytes: number): ReturnType<typeof fetchRange> => {
      const range = { offset, end: offset + bytes };
      const before = this.#versions.get(path) ?? undefined;
      return retrying(() => fetchRange(url, range, before, this.#signal), this.#signal, this.#pause);
    };
    const first = await fetch(0, FIRST_RANGE);
    this.#versions.set(path, known ?? first?.version ?? null);
    if (first === undefined) return null;
    const size = first.version.bytes ?? 0;
    let next: Uint8Array | undefined = first.bytes;
    const refused = (thrown: unknown): never => {
      if (!(thrown instanceof RangesRefused)) throw thrown;
      // Not in the middle of a file: it is begun anew, whole.
      this.#whole.add(path);
      throw new SourceChanged(url);
    };
    let offset = 0;
    let asked = FIRST_RANGE;
    return {
      size,
      read: async () => {
        if (offset >= size) return null;
        if (next === undefined) {
          asked = Math.min(2 * asked, MAX_RANGE);
          next = (await fetch(offset, asked).catch(refused))?.bytes;
          if (next === undefined) throw new SourceChanged(url);
        }
        const chunk = next;
        next = undefined;
        offset += chunk.byteLength;
        return chunk;
      },
      close: () => void (offset = size),
    };
  }

  /** Small files are read whole before anyone gets them: what is lost in the middle is fetched again. */
  #fetchSmall(path: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    return retrying(
      async () => {
        const answer = await ask(this.#url(path), this.#signal);
        try {
          if (isMissing(answer, path)) {
            this.#versions.set(path, null);
            return undefined;
          }
          const { url, status, size } = answer;
          if (status !== 200) throw createError("network", `${url} answered HTTP ${status}`, { url, status });
          const parts: Uint8Array[] = [];
          for (let part = await answer.read(); part !== null; part = await answer.read()) parts.push(part);
          if (size !== undefined && answer.received !== size) throw new TransientError(answer.lost(size));
          // If a connection was cut that nobody could see it of, the size tells another time.
          this.#versions.set(path, { ...answer.version, bytes: answer.received });
          return new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer());
        } finally {
          answer.close();
        }
      },
      this.#signal,
      this.#pause,
    );
  }

  #url(path: string): string {
    return fileAddress(this.address, path);
  }
}

function isMissing({ status, response }: Answer, path: string): boolean {
  return status === 404 || status === 410 || isStartPage(response, path);
}

/** The size of the whole file, from an answer to a request for its first byte. */
function sizeOf(answer: Answer): FileVersion {
  const total = /\/(\d+)$/.exec(answer.header("content-range") ?? "")?.[1];
  const bytes = answer.status === 206 ? total && Number(total) : answer.size;
  return typeof bytes === "number" ? { bytes } : {};
}
