import type { LoadProgress } from "../types.js";

/** Bytes of a download from which on it is worth a question to the user: some browsers ask. */
const WORTH_ASKING = 64 * 1024 * 1024;

/**
 * Asks the browser not to clear this origin's storage when room is short, once a large download has begun. It may refuse;
 * the cache then lasts as long as there is room. To be used in the page: a Worker cannot ask.
 */
export function askingToPersist(
  report: (progress: LoadProgress) => void = () => undefined,
): (progress: LoadProgress) => void {
  let asked = false;
  return (progress) => {
    if (!asked && progress.phase === "download" && progress.total >= WORTH_ASKING) {
      asked = true;
      const { storage } = navigator as Partial<Navigator>;
      // Where the user is asked, the answer may take as long as the download: nobody waits for it.
      storage?.persist?.().catch(() => undefined);
    }
    report(progress);
  };
}
