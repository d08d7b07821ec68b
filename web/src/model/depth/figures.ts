import type { DraftCount, Finish } from "looplm";

/** What an answer took to make, as numbers that compare. The prompt is left out: it takes all its loops in every mode. */
export interface Figures {
  /** Tokens of the answer. */
  tokens: number;
  /** From the first token on; undefined where there was only one. */
  tokensPerSecond: number | undefined;
  /** Passes over the layers for each token after the first, which comes of the prompt. */
  passesPerToken: number | undefined;
  /** Rows computed for each token after the first. */
  rowsPerToken: number | undefined;
  drafts: readonly DraftCount[];
  /** Rows computed for tokens that were taken back. */
  discarded: number;
  /** Rows computed for the answer. */
  rows: number;
  /** Passes for the answer. */
  passes: number;
  kvBytes: number;
  /** Tokens of prompt and answer that have keys and values: the last one takes no step. */
  kept: number;
}

/**
 * @param finish how the answer ended
 * @param steps recurrent steps of the prompt
 * @param seconds from the first token to the end
 */
export function figures(finish: Finish, steps: number, seconds: number): Figures {
  const after = finish.newTokens - 1;
  const passes = finish.passes - finish.prefillPasses;
  const rows = finish.rowSteps - (finish.promptTokens - finish.cachedTokens) * steps;
  const each = (n: number) => (after > 0 ? n / after : undefined);
  return {
    tokens: finish.newTokens,
    tokensPerSecond: after > 0 && seconds > 0 ? after / seconds : undefined,
    passesPerToken: each(passes),
    rowsPerToken: each(rows),
    drafts: finish.drafts,
    discarded: finish.discarded,
    rows,
    passes,
    kvBytes: finish.kvBytes,
    kept: finish.promptTokens + Math.max(after, 0),
  };
}

/** The value in the middle; of two, the smaller. */
export function median(values: readonly number[]): number | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)];
}

/** Figures of the same answer made several times: only its speed differs, and the median counts. */
export function repeated(runs: readonly Figures[]): Figures | undefined {
  const last = runs.at(-1);
  if (!last) return undefined;
  const speeds = runs.flatMap(({ tokensPerSecond }) =>
    tokensPerSecond === undefined ? [] : [tokensPerSecond],
  );
  return { ...last, tokensPerSecond: median(speeds) };
}

/** 1234.5 -> "1,235", 12.34 -> "12.3", 1.234 -> "1.23". */
export function rounded(n: number): string {
  if (n >= 100) return Math.round(n).toLocaleString("en");
  return n >= 10 ? n.toFixed(1) : n.toFixed(2);
}
