import type { KvPolicy, MemoryInfo } from "looplm";

/** What may be kept of a token for those after it, in plain words. */
export interface Policy {
  kv: KvPolicy;
  name: string;
  says: string;
  /** Known to break models. */
  breaks?: true;
}

export const POLICIES: readonly Policy[] = [
  { kv: "full", name: "Every step", says: "What each step noted stays. Nothing is lost." },
  {
    kv: "last-exited",
    name: "The steps it took",
    says: "Steps that a word left out are never made up for: later words read its last one instead.",
  },
  {
    kv: "last",
    name: "Only the last step",
    says: "One note for all steps, that of the last. All steps are still computed.",
  },
  {
    kv: "mean",
    name: "The average",
    says: "One note for all steps, their mean. All steps are still computed.",
  },
  {
    kv: "first",
    name: "Only the first step",
    says: "One note for all steps, that of the first.",
    breaks: true,
  },
];

/**
 * Bytes that a token takes under a policy.
 *
 * @param kvPer1000Tokens of the model, with the `trained` steps
 * @param steps recurrent steps in use
 * @param meanSteps steps that a token takes on average, for what keeps only those
 */
export function bytesPerToken(
  kv: KvPolicy,
  { shared }: MemoryInfo["kvPer1000Tokens"],
  steps: number,
  meanSteps: number,
): number {
  switch (kv) {
    case "full":
      return (shared * steps) / 1000;
    case "last-exited":
      return (shared * Math.min(meanSteps, steps)) / 1000;
    case "last":
    case "mean":
    case "first":
      return shared / 1000;
  }
}

/** "75 % less"; nothing where nothing is saved. */
export function savingWords(bytes: number, full: number): string {
  const saved = full > 0 ? Math.round((1 - bytes / full) * 100) : 0;
  return saved > 0 ? `${saved} % less` : "";
}
