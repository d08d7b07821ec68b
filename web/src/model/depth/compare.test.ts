import { describe, expect, it } from "vitest";
import { compare, type Kept, keptAs, ratioWords, totals } from "./compare.ts";
import type { Figures } from "./figures.ts";
import type { Depth, Mode } from "./settings.ts";

const FIGURES: Figures = {
  ...{ tokens: 5, passesPerToken: 4, rowsPerToken: 4, drafts: [], discarded: 0 },
  ...{ rows: 16, passes: 16, kvBytes: 0, kept: 9, tokensPerSecond: 10 },
};
const made = (mode: Mode, speed: number, ids = [1, 2, 3], differs: Partial<Depth> = {}): Kept => ({
  depth: { mode, rule: "gate", value: 0.8, kv: "full", thrifty: false, ...differs },
  ids,
  figures: { ...FIGURES, tokensPerSecond: speed },
});
const kept = (...all: Kept[]) => new Map(all.map((one) => [keptAs(one.depth), one]));

describe("the comparison", () => {
  it("holds the modes against full depth, in their order", () => {
    const lines = compare(kept(made("early", 20), made("full", 10), made("verified", 14)));
    expect(lines.map(({ mode, ratio, share }) => [mode, ratio, share])).toEqual([
      ["full", undefined, 0.5],
      ["verified", 1.4, 0.7],
      ["early", 2, 1],
    ]);
    expect(ratioWords(1.4)).toBe("1.4× full depth");
  });
  it("says whether the text is the same, and from where it is not", () => {
    const lines = compare(kept(made("full", 10), made("verified", 14), made("early", 20, [1, 9, 3])));
    expect(lines.map(({ text }) => text)).toEqual([undefined, "same text", "other text from token 2 on"]);
    expect(compare(kept(made("full", 1), made("early", 1, [1, 2])))[1]!.text).toBe(
      "other text from token 3 on",
    );
  });
  it("holds nothing against what was not measured", () => {
    const [line] = compare(kept(made("verified", 14)));
    expect([line!.ratio, line!.text]).toEqual([undefined, undefined]);
    expect(compare(new Map())).toEqual([]);
  });
  it("does not take all steps for full depth where less is kept", () => {
    const lines = compare(kept(made("full", 10), made("full", 12, [1], { kv: "last" })));
    expect(lines.map(({ how, ratio }) => [how, ratio])).toEqual([
      ["", undefined],
      ["keeps only the last step", 1.2],
    ]);
  });
});

it("adds up the guesses", () => {
  const drafts = [
    { step: 1, drafted: 4, accepted: 1 },
    { step: 2, drafted: 6, accepted: 6 },
  ];
  expect(totals({ ...FIGURES, drafts })).toEqual({ drafted: 10, accepted: 7 });
});
