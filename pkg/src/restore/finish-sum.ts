import type { DraftCount, Finish } from "../types.js";

/**
 * The figures of an answer that several engines worked on. What is counted per pass, row and second adds up, and so holds
 * what had to be computed again; the rest is what the last part says of the whole.
 */
export function sumOf(earlier: readonly Finish[], last: Finish): Finish {
  const all = [...earlier, last];
  const sum = (figure: (finish: Finish) => number): number =>
    all.reduce((total, finish) => total + figure(finish), 0);
  return {
    ...last,
    cachedTokens: sum(({ cachedTokens }) => cachedTokens),
    passes: sum(({ passes }) => passes),
    prefillPasses: sum(({ prefillPasses }) => prefillPasses),
    rowSteps: sum(({ rowSteps }) => rowSteps),
    accepted: sum(({ accepted }) => accepted),
    discarded: sum(({ discarded }) => discarded),
    drafts: draftsOf(all.flatMap(({ drafts }) => drafts)),
    timeline: all.flatMap(({ timeline }) => timeline),
    seconds: sum(({ seconds }) => seconds),
  };
}

function draftsOf(counts: readonly DraftCount[]): DraftCount[] {
  const bySteps = new Map<number, DraftCount>();
  for (const { step, drafted, accepted } of counts) {
    const before = bySteps.get(step) ?? { step, drafted: 0, accepted: 0 };
    bySteps.set(step, { step, drafted: before.drafted + drafted, accepted: before.accepted + accepted });
  }
  return [...bySteps.values()].sort((a, b) => a.step - b.step);
}

/** Of an answer that ends where no engine works on it. */
export function stoppedBetween(promptTokens: number, newTokens: number): Finish {
  return {
    reason: "aborted",
    promptTokens,
    cachedTokens: 0,
    newTokens,
    passes: 0,
    prefillPasses: 0,
    rowSteps: 0,
    accepted: 0,
    discarded: 0,
    drafts: [],
    kvBytes: 0,
    timeline: [],
    seconds: 0,
  };
}
