import type { LoadProgress } from "../types.js";
import type { CacheEntry } from "./entry.js";

/** Time between two looks, in milliseconds. */
const INTERVAL = 500;

/**
 * Reports how far another tab has come with the download that this one waits for, until the returned function is called.
 * What it sees is what that tab has finished: the names of files.
 */
export function reportWhileWaiting(entry: CacheEntry, report: (progress: LoadProgress) => void): () => void {
  let over = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const look = async (): Promise<void> => {
    const planned = (await entry.manifest())?.plan.pieces;
    const kept = planned && (await entry.pieces(planned));
    if (over) return;
    if (planned !== undefined && kept !== undefined) {
      const bytes = (of: typeof planned): number => of.reduce((sum, { source }) => sum + source.bytes, 0);
      const loaded = bytes(planned.filter((_, index) => kept.has(index)));
      report({ phase: "download", loaded, total: bytes(planned) });
    }
    again();
  };
  const again = (): void => {
    // A look in the middle of a change sees nothing; the next one does.
    timer = setTimeout(() => void look().catch(() => again()), INTERVAL);
  };
  again();
  return () => {
    over = true;
    clearTimeout(timer);
  };
}
