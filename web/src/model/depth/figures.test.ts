import type { Finish } from "looplm";
import { describe, expect, it } from "vitest";
import { figures, median, repeated, rounded } from "./figures.ts";

const FINISH: Finish = {
  ...{ reason: "stop", promptTokens: 5, cachedTokens: 0, newTokens: 11, seconds: 9 },
  ...{ passes: 4 + 25, prefillPasses: 4, rowSteps: 4 * 5 + 46 },
  ...{
    accepted: 7,
    discarded: 6,
    drafts: [{ step: 2, drafted: 9, accepted: 7 }],
    kvBytes: 960,
    timeline: [],
  },
};

describe("the figures of an answer", () => {
  it("leave out the prompt and the first token, which comes of it", () => {
    expect(figures(FINISH, 4, 2)).toMatchObject({
      ...{ tokens: 11, tokensPerSecond: 5, passesPerToken: 2.5, rowsPerToken: 4.6 },
      ...{ passes: 25, rows: 46, discarded: 6, kvBytes: 960, kept: 15 },
    });
  });
  it("count of the prompt only what was computed", () => {
    const cached = { ...FINISH, cachedTokens: 3, rowSteps: 4 * 2 + 46 };
    expect(figures(cached, 4, 2)).toMatchObject({ rows: 46, kept: 15 });
  });
  it("have nothing to compare where there is one token only", () => {
    const one = figures({ ...FINISH, newTokens: 1 }, 4, 0);
    expect([one.tokensPerSecond, one.passesPerToken, one.rowsPerToken, one.kept]).toEqual([
      ...[undefined, undefined, undefined, 5],
    ]);
  });
  it("of several runs are those of the last, at the speed in the middle", () => {
    const at = (seconds: number) => figures(FINISH, 4, seconds);
    expect(repeated([at(1), at(5), at(2)])?.tokensPerSecond).toBe(5);
    expect(repeated([])).toBeUndefined();
    expect(median([3, 1])).toBe(1);
  });
});

it("rounds to what can be told", () => {
  expect([1234.5, 12.34, 1.234].map(rounded)).toEqual(["1,235", "12.3", "1.23"]);
});
