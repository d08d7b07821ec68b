import { createError } from "../errors.js";
import { BytesStream } from "../source-bytes.js";
import type { FileSource, FileStream } from "../wasm/looplm.js";
import { readBlob } from "./blob.js";
import type { CacheEntry, KeptPiece } from "./entry.js";
import { layOut, type Segment } from "./layout.js";
import type { Manifest } from "./manifest.js";
import { sha256 } from "./sha256.js";

type Bytes = Uint8Array<ArrayBuffer>;

/**
 * The converted folder, put together from a complete entry. Every byte it gives is of a file whose hash was found right
 * while it was read.
 */
export class CachedSource implements FileSource {
  /** Whether something was found to be missing or wrong; what was being read has then failed. */
  damaged = false;
  readonly #entry: CacheEntry;
  readonly #manifest: Manifest;
  readonly #kept: ReadonlyMap<number, KeptPiece>;
  readonly #verified = new Set<number>();

  constructor(entry: CacheEntry, manifest: Manifest, kept: ReadonlyMap<number, KeptPiece>) {
    this.#entry = entry;
    this.#manifest = manifest;
    this.#kept = kept;
  }

  async open(path: string): Promise<FileStream | null> {
    const { plan, smallFiles } = this.#manifest;
    const file = plan.files.findIndex((file) => file.path === path);
    if (file >= 0) return this.#openWeights(file);
    const written = plan.texts.find((text) => text.path === path);
    if (written !== undefined) return new BytesStream(new TextEncoder().encode(written.text));
    const small = smallFiles.find((small) => small.path === path);
    if (small === undefined) return null;
    return new BytesStream((await this.#entry.readFile(small)) ?? this.#damage(path));
  }

  async #openWeights(file: number): Promise<FileStream> {
    const { plan, heads } = this.#manifest;
    const bytes = await Promise.all(heads.map((head) => this.#entry.readFile(head)));
    const present = bytes.map((head, i) => head ?? this.#damage(plan.files[i]?.path ?? ""));
    const segments = layOut(
      plan,
      present.map(({ byteLength }) => byteLength),
    )[file];
    const head = present[file] ?? new Uint8Array();
    return new SegmentStream(plan.files[file]?.bytes ?? 0, segments ?? [], (segment, spare) =>
      segment.piece === undefined
        ? Promise.resolve(head.slice())
        : this.#slice(segment.piece, segment, spare),
    );
  }

  async #slice(index: number, { start, bytes }: Segment, spare?: ArrayBuffer): Promise<Bytes> {
    const kept = this.#kept.get(index);
    const read = async (from: number, to?: number): Promise<Bytes | undefined> => {
      const file = kept && (await this.#entry.piece(kept));
      return file && readBlob(file.slice(from, to), spare);
    };
    // What the disk cannot give is as bad as what is not there.
    if (this.#verified.has(index)) {
      const part = await read(start, start + bytes).catch(() => undefined);
      return part?.byteLength === bytes ? part : this.#damage(`piece ${index}`);
    }
    const all = await read(0).catch(() => undefined);
    if (all === undefined || (await sha256(all)) !== this.#manifest.hashes?.[index]) {
      return this.#damage(`piece ${index}`);
    }
    this.#verified.add(index);
    return all.subarray(start, start + bytes);
  }

  #damage(what: string): never {
    this.damaged = true;
    throw createError("network", `${what} of the cached model is damaged`, { url: this.#manifest.address });
  }
}

/** Segments one after another. While one is used, the next is read, into the memory of the one before. */
class SegmentStream implements FileStream {
  readonly size: number;
  readonly #segments: readonly Segment[];
  readonly #fetch: (segment: Segment, spare?: ArrayBuffer) => Promise<Bytes>;
  #next = 0;
  #ahead: Promise<Bytes> | undefined;
  /** What the caller has. */
  #given: Bytes | undefined;

  constructor(
    size: number,
    segments: readonly Segment[],
    fetch: (segment: Segment, spare?: ArrayBuffer) => Promise<Bytes>,
  ) {
    this.size = size;
    this.#segments = segments;
    this.#fetch = fetch;
  }

  async read(): Promise<Uint8Array | null> {
    const bytes = this.#ahead ?? this.#start();
    if (bytes === undefined) return null;
    this.#ahead = undefined;
    const found = await bytes;
    const before = this.#given;
    this.#given = found;
    this.#ahead = this.#start(before?.buffer);
    // It is asked for again when its turn has come, if it ever does.
    this.#ahead?.catch(() => undefined);
    return found;
  }

  close(): void {
    this.#next = this.#segments.length;
    this.#ahead = undefined;
    this.#given = undefined;
  }

  #start(spare?: ArrayBuffer): Promise<Bytes> | undefined {
    const segment = this.#segments[this.#next];
    if (segment === undefined) return undefined;
    this.#next++;
    return this.#fetch(segment, spare);
  }
}
