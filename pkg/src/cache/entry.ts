import type { Piece } from "./converter.js";
import type { Directory } from "./directory.js";
import { readManifest, writeManifest, type KeptFile, type Manifest } from "./manifest.js";
import { sha256 } from "./sha256.js";

const MANIFEST = "manifest.json";
const FILES = "files";
const PIECES = "pieces";
/** Holds the time, in milliseconds. */
const LAST_USED = "last-used";

/** A piece that is there. */
export interface KeptPiece {
  index: number;
  /** What its bytes should be. */
  sha256: string;
  /** Its file's name. */
  name: string;
}

/**
 * One model in one format in the cache. What it has of the weights is told by the names of its files: a piece is there if
 * a file of its number and size is.
 */
export class CacheEntry {
  readonly #directory: Directory;

  constructor(directory: Directory) {
    this.#directory = directory;
  }

  /** What it is; undefined where nothing is to be relied on. */
  async manifest(): Promise<Manifest | undefined> {
    const file = await this.#directory.file(MANIFEST);
    return file && readManifest(await file.text());
  }

  /** With this written, what is in the entry counts; of the kept files, those that it names, and the others are removed. */
  async writeManifest(manifest: Manifest): Promise<void> {
    await this.#directory.write(MANIFEST, await writeManifest(manifest));
    const named = new Set([...manifest.smallFiles, ...manifest.heads].map((file) => file.sha256));
    const folder = await this.#directory.existing(FILES);
    for (const name of (await folder?.names()) ?? []) if (!named.has(name)) await folder?.remove(name);
  }

  /** Keeps a small file, or the head of a large one. */
  async keepFile(path: string, bytes: Uint8Array<ArrayBuffer>): Promise<KeptFile> {
    const hash = await sha256(bytes);
    await (await this.#directory.folder(FILES)).write(hash, bytes);
    return { path, sha256: hash };
  }

  /** A kept file's bytes; undefined where they are missing or wrong. */
  async readFile({ sha256: hash }: KeptFile): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const file = await (await this.#directory.existing(FILES))?.file(hash);
    const bytes = file && new Uint8Array(await file.arrayBuffer());
    return bytes && (await sha256(bytes)) === hash ? bytes : undefined;
  }

  /** Keeps a piece. */
  async keepPiece(index: number, bytes: Uint8Array<ArrayBuffer>): Promise<KeptPiece> {
    const hash = await sha256(bytes);
    const name = `${index}-${hash}`;
    await (await this.#directory.folder(PIECES)).write(name, bytes);
    return { index, sha256: hash, name };
  }

  /** A piece's file, to be checked by its hash; undefined if it is gone. */
  async piece({ name }: KeptPiece): Promise<File | undefined> {
    return (await this.#directory.existing(PIECES))?.file(name);
  }

  async removePiece({ name }: KeptPiece): Promise<void> {
    await (await this.#directory.existing(PIECES))?.remove(name);
  }

  /** The pieces that are there, by number. Their bytes have not been looked at. */
  async pieces(planned: readonly Piece[]): Promise<Map<number, KeptPiece>> {
    const folder = await this.#directory.existing(PIECES);
    const kept = new Map<number, KeptPiece>();
    for (const name of (await folder?.names()) ?? []) {
      const [, number = "", hash = ""] = /^(\d+)-([0-9a-f]{64})$/.exec(name) ?? [];
      const piece = planned[Number(number)];
      if (number === "" || piece === undefined) continue;
      // A tab that was closed while it began to write leaves an empty file.
      if ((await folder?.file(name))?.size !== pieceBytes(piece)) continue;
      kept.set(Number(number), { index: Number(number), sha256: hash, name });
    }
    return kept;
  }

  /** Notes that it is used now. */
  async touch(): Promise<void> {
    await this.#directory.write(LAST_USED, String(Date.now()));
  }

  /** When it was last used, in milliseconds. */
  async lastUsed(): Promise<number | undefined> {
    const text = await (await this.#directory.file(LAST_USED))?.text();
    return text ? Number(text) : undefined;
  }

  /** Bytes of its files other than pieces. */
  async smallBytes(): Promise<number> {
    const folder = await this.#directory.existing(FILES);
    const names = (await folder?.names()) ?? [];
    const sizes = await Promise.all(names.map(async (name) => (await folder?.file(name))?.size ?? 0));
    return sizes.reduce((sum, size) => sum + size, (await this.#directory.file(MANIFEST))?.size ?? 0);
  }

  /** Removes all of it; the manifest first, so that nothing counts of what a closed tab leaves. */
  async clear(): Promise<void> {
    for (const name of [MANIFEST, LAST_USED, PIECES, FILES]) await this.#directory.remove(name);
  }
}

/** Bytes of a piece once it is converted. */
export function pieceBytes({ targets }: Piece): number {
  return targets.reduce((sum, { bytes }) => sum + bytes, 0);
}
