import { createError } from "../errors.js";
import type { CacheEntry } from "./entry.js";
import { stillSame, type Manifest } from "./manifest.js";
import type { Origin } from "./origin.js";
import { SourceChanged } from "./ranges.js";

/**
 * The files that are others now than those that a complete entry was made of, came since, or are gone. None where nobody
 * can tell: what is kept is what there is then.
 */
export async function changedFiles(origin: Origin, manifest: Manifest): Promise<string[]> {
  const { plan, versions } = manifest;
  const seen = manifest.seen ?? Object.fromEntries(plan.sources.map((path, i) => [path, versions[i] ?? {}]));
  const paths = Object.keys(seen);
  const found = await Promise.all(paths.map((path) => origin.look(path)));
  // Nothing is there: the server is away, or the model.
  if (!found.some(Boolean)) return [];
  // Of its small files nobody knows which they were.
  if (manifest.seen === undefined) return plan.sources;
  const optional = plan.smallFiles.filter(({ required }) => !required).map(({ path }) => path);
  // With weights of another version they would make a model that there never was.
  const weightsKnown = plan.sources.every((path) => found[paths.indexOf(path)]);
  const allTold = weightsKnown && !found.includes(undefined);
  return paths.filter((path, i) => {
    const [was, is] = [seen[path], found[i]];
    if (optional.includes(path) ? !allTold : !is) return false;
    return was && is ? !stillSame(was, is) : was !== is;
  });
}

/**
 * Puts what the origin has now in the place of small files, all at once: whoever looks finds the old ones or the new. To be
 * called with the entry's lock for writing. False, and nothing is done, if that is not enough: the entry has to be filled.
 */
export async function replaceFiles(
  entry: CacheEntry,
  origin: Origin,
  paths: readonly string[],
): Promise<boolean> {
  const manifest = await entry.manifest();
  if (manifest === undefined) return false;
  const { smallFiles, texts } = manifest.plan;
  // The others say what the weights are and how they are converted.
  const apart = (path: string): boolean =>
    smallFiles.some((small) => small.path === path && !small.required) &&
    texts.every((text) => text.path !== path);
  if (!paths.every(apart)) return false;
  const fetched = await Promise.all(paths.map((path) => origin.small(path)));
  const kept = manifest.smallFiles.filter(({ path }) => !paths.includes(path));
  for (const [i, path] of paths.entries()) {
    const bytes = fetched[i];
    if (bytes !== undefined) kept.push(await entry.keepFile(path, bytes));
  }
  await entry.writeManifest({
    ...manifest,
    smallFiles: kept,
    seen: { ...manifest.seen, ...origin.seen() },
  });
  return true;
}

/** Runs what throws `SourceChanged` if the model changes meanwhile; then `discard`, and once more from the beginning. */
export async function whileUnchanged<R>(
  origin: Origin,
  run: () => Promise<R>,
  discard: () => Promise<void> = () => Promise.resolve(),
): Promise<R> {
  for (let again = false; ; again = true) {
    try {
      return await run();
    } catch (thrown) {
      if (!(thrown instanceof SourceChanged)) throw thrown;
      await discard();
      origin.forget();
      if (again) {
        const message = `${thrown.url} changed while it was fetched, twice; try again when it stays as it is`;
        throw createError("network", message, { url: thrown.url });
      }
    }
  }
}
