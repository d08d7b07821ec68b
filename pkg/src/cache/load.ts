import { without } from "../checks.js";
import { toLoopLMError } from "../errors.js";
import type { LoadProgress, WeightFormat } from "../types.js";
import type { FileSource, LoadConfig } from "../wasm/looplm.js";
import { CachedSource } from "./cached-source.js";
import { changedFiles, replaceFiles, whileUnchanged } from "./changes.js";
import type { Converter } from "./converter.js";
import type { CacheEntry } from "./entry.js";
import { fill, NoRoom, Uncacheable } from "./fill.js";
import { isComplete } from "./manifest.js";
import type { Origin } from "./origin.js";
import type { ModelStore, Place } from "./store.js";
import { reportWhileWaiting } from "./waiting.js";

export { Uncacheable } from "./fill.js";

/** Most times that an entry is filled in one load. */
const MOST_FILLS = 3;

/** Codes of a load's failure that a small file may be to blame for: one that was cut short, say. */
const BLAMED_ON_FILES = ["checkpoint-invalid", "tokenizer-invalid"];

/** A load through the cache. */
export interface CachedLoad<M> {
  store: ModelStore;
  origin: Origin;
  converter: Converter;
  format: WeightFormat;
  /** How it is to be loaded. */
  config: LoadConfig;
  /** What to do with the converted folder. */
  load: (source: FileSource) => Promise<M>;
  report: (progress: LoadProgress) => void;
  signal: AbortSignal;
  estimate: () => Promise<StorageEstimate>;
}

/**
 * Loads a model from the cache, after it has got what the cache does not have. Throws `Uncacheable` where there can be no
 * cache; what the load throws otherwise is as without one.
 */
export async function loadThroughCache<M>(job: CachedLoad<M>): Promise<M> {
  const place = await stored(() => job.store.place(job.origin.address, job.format));
  // Asked for in the first round only: what this load has fetched itself is as new as it can be.
  let fresh = false;
  for (let fills = 0; ; fills++) {
    const read = await locked(job, place, "reading", () => readEntry(job, place.entry, fresh));
    if ("model" in read) return read.model;
    if ("failure" in read) {
      await distrust(place, read.failure);
      throw read.failure;
    }
    // Another tab may evict it, and a disk that fails may damage it, between one and the other.
    if (fills === MOST_FILLS)
      throw new Uncacheable(`what has been kept of it is ${read.missing} again and again`);
    const { missing, changed } = read;
    await locked(job, place, "writing", async () => {
      if (changed && (await stored(() => replaceFiles(place.entry, job.origin, changed)))) return;
      await fillEntry(job, place.entry, missing === "damaged");
    });
    fresh = true;
  }
}

/** What came of an attempt to load what the entry has. `changed`: files that are others on the server. */
type Read<M> =
  | { model: M }
  | { missing: "incomplete" | "outdated" | "damaged"; changed?: string[] }
  | { failure: unknown };

/** Loads what the entry has, if it has all. */
async function readEntry<M>(job: CachedLoad<M>, entry: CacheEntry, fresh: boolean): Promise<Read<M>> {
  const found = await stored(async () => {
    const manifest = await entry.manifest();
    if (manifest?.hashes === undefined || !(fresh || isComplete(manifest))) return undefined;
    const kept = await entry.pieces(manifest.plan.pieces);
    return kept.size === manifest.plan.pieces.length ? { manifest, kept } : undefined;
  });
  if (found === undefined) return { missing: "incomplete" };
  const { manifest, kept } = found;
  const changed = fresh ? [] : await changedFiles(job.origin, manifest);
  if (changed.length > 0) return { missing: "outdated", changed };
  const source = new CachedSource(entry, manifest, kept);
  try {
    const model = await job.load(source);
    // Of no use to anyone but a list, and not worth a load.
    await entry.touch().catch(() => undefined);
    return { model };
  } catch (failure) {
    return source.damaged ? { missing: "damaged" } : { failure };
  }
}

/** Gets what the entry does not have. */
async function fillEntry<M>(job: CachedLoad<M>, entry: CacheEntry, verify: boolean): Promise<void> {
  const { origin, converter, format, config, report, signal, estimate } = job;
  const clear = (): Promise<void> => stored(() => entry.clear());
  try {
    // Nothing of an old version is kept.
    await whileUnchanged(
      origin,
      () =>
        stored(() => fill({ entry, origin, converter, format, config, verify, report, signal, estimate })),
      clear,
    );
  } catch (thrown) {
    // What there is room for is of no use, and the room may be for something else.
    if (thrown instanceof NoRoom) await clear();
    throw thrown;
  }
}

/** After a failure that a small file may be to blame for, the next load fetches the small files again. */
async function distrust({ entry, lock }: Place, failure: unknown): Promise<void> {
  if (!BLAMED_ON_FILES.includes(toLoopLMError(failure).code)) return;
  await lock
    .writingNow(async () => {
      const manifest = await entry.manifest();
      if (manifest === undefined) return;
      await entry.writeManifest(without(manifest, "hashes"));
    })
    // The failure itself is what the caller has to hear of.
    .catch(() => undefined);
}

/** Waits for the lock, reports meanwhile how far the tab has come that has it, and runs. */
async function locked<M, R>(
  { report, signal }: CachedLoad<M>,
  { entry, lock }: Place,
  how: "reading" | "writing",
  run: () => Promise<R>,
): Promise<R> {
  const stop = reportWhileWaiting(entry, report);
  try {
    return await lock[how](() => {
      stop();
      return run();
    }, signal);
  } finally {
    stop();
  }
}

/** The result; a failure of the browser's storage as `Uncacheable`, of its room as `NoRoom`. */
async function stored<R>(run: () => Promise<R>): Promise<R> {
  try {
    return await run();
  } catch (thrown) {
    if (!(thrown instanceof DOMException) || thrown.name === "AbortError") throw thrown;
    if (thrown.name === "QuotaExceededError") {
      throw new NoRoom("this browser gives no more room for it", { cause: thrown });
    }
    throw new Uncacheable(`the browser's storage failed (${thrown.name}: ${thrown.message})`, {
      cause: thrown,
    });
  }
}
