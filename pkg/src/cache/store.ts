import { createError } from "../errors.js";
import type { CachedModel, WeightFormat } from "../types.js";
import { Directory, type DirectoryHandle } from "./directory.js";
import { CacheEntry, pieceBytes } from "./entry.js";
import { shortSource } from "./hugging-face.js";
import { isComplete } from "./manifest.js";
import { EntryLock, type Locks } from "./locks.js";
import { sha256 } from "./sha256.js";

/** The folder of the origin's private file system that holds every entry, each in a folder named by its key. */
const FOLDER = "looplm-models";

/** What a cache needs of the browser. */
export interface Storage {
  root: DirectoryHandle;
  locks: Locks;
}

/** The browser's storage; undefined where it has none for this page (an insecure origin, a private window). */
export async function browserStorage(): Promise<Storage | undefined> {
  // Both are missing on insecure origins, whatever the types say.
  const { storage, locks } = navigator as Partial<Navigator>;
  if (storage?.getDirectory === undefined || locks === undefined) return undefined;
  // Safari has handles that cannot be written through, before version 26.
  if (!("createWritable" in (globalThis.FileSystemFileHandle?.prototype ?? {}))) return undefined;
  try {
    return { root: (await storage.getDirectory()) as unknown as DirectoryHandle, locks };
  } catch {
    // Firefox in a private window, and sandboxed frames.
    return undefined;
  }
}

/** One entry's place. */
export interface Place {
  entry: CacheEntry;
  lock: EntryLock;
}

/** Every model that this origin keeps. */
export class ModelStore {
  readonly #storage: Storage;

  constructor(storage: Storage) {
    this.#storage = storage;
  }

  /** The entry of a model in a format, whether or not anything is in it yet. */
  async place(address: string, format: WeightFormat): Promise<Place> {
    const key = (await sha256(`${format}\n${address}`)).slice(0, 32);
    const folder = await (await this.#folder()).folder(key);
    return { entry: new CacheEntry(folder), lock: new EntryLock(this.#storage.locks, key) };
  }

  /** What is kept, last used first. */
  async list(): Promise<CachedModel[]> {
    const folder = await this.#folder();
    const keys = await folder.names();
    const found = await Promise.all(keys.map(async (key) => describe(await folder.existing(key))));
    return found
      .filter((model) => model !== undefined)
      .sort((one, other) => other.lastUsed.getTime() - one.lastUsed.getTime());
  }

  /**
   * Removes what is kept of a model, or of all. The bytes that became free. Throws `busy`, after it has removed what it
   * can, if one of them is being loaded.
   */
  async evict(address?: string, format?: WeightFormat): Promise<number> {
    const folder = await this.#folder();
    let freed = 0;
    let busy = 0;
    for (const key of await folder.names()) {
      const directory = await folder.existing(key);
      if (directory === undefined) continue;
      const entry = new CacheEntry(directory);
      const manifest = await entry.manifest();
      if (address !== undefined && manifest?.address !== address) continue;
      if (format !== undefined && manifest?.format !== format) continue;
      const bytes = await new EntryLock(this.#storage.locks, key).writingNow(async () => {
        const { bytes } = (await describe(directory)) ?? { bytes: 0 };
        // Its folder stays: a tab that waits for the lock has its handle.
        await entry.clear();
        return bytes;
      });
      if (bytes === undefined) busy++;
      else freed += bytes;
    }
    if (busy > 0) {
      const models = busy === 1 ? "a model is" : `${busy} models are`;
      throw createError("busy", `${models} being loaded, in this tab or another; evict after that`, {});
    }
    return freed;
  }

  #folder(): Promise<Directory> {
    return new Directory(this.#storage.root).folder(FOLDER);
  }
}

/** An entry as it is now, which may be in the middle of being written. */
async function describe(directory: Directory | undefined): Promise<CachedModel | undefined> {
  if (directory === undefined) return undefined;
  const entry = new CacheEntry(directory);
  const manifest = await entry.manifest();
  if (manifest === undefined) return undefined;
  const { plan, created } = manifest;
  const kept = await entry.pieces(plan.pieces);
  const sum = (bytes: (piece: (typeof plan.pieces)[number]) => number, of = plan.pieces): number =>
    of.reduce((total, piece) => total + bytes(piece), 0);
  const done = plan.pieces.filter((_, index) => kept.has(index));
  const all = sum((piece) => piece.source.bytes);
  return {
    source: shortSource(manifest.address),
    format: manifest.format,
    bytes: sum(pieceBytes, done) + (await entry.smallBytes()),
    complete: isComplete(manifest) && done.length === plan.pieces.length,
    progress: all === 0 ? 1 : sum((piece) => piece.source.bytes, done) / all,
    created: new Date(created),
    lastUsed: new Date((await entry.lastUsed()) ?? created),
  };
}
