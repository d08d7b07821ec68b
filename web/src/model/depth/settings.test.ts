import { describe, expect, it } from "vitest";
import { type Depth, depthOptions, exitRule, keptWith, ruleFields, sameDepth, within } from "./settings.ts";

const depth = (differs: Partial<Depth> = {}): Depth => ({
  ...{ mode: "verified", rule: "gate", value: 0.8, kv: "last-exited", thrifty: false },
  ...differs,
});

describe("what the engine is asked for", () => {
  it("is all steps, and nothing guessed, at full depth", () => {
    expect(depthOptions(depth({ mode: "full", kv: "full" }))).toEqual({
      exit: "full",
      kv: "full",
      verify: false,
    });
  });
  it("keeps everything where guesses are checked", () => {
    expect(depthOptions(depth())).toEqual({ exit: { gate: 0.8 }, kv: "full", verify: "always" });
    expect(depthOptions(depth({ thrifty: true })).verify).toBe(true);
    expect(keptWith(depth())).toBe("full");
  });
  it("is final where a token leaves", () => {
    const early = depth({ mode: "early", rule: "entropy", value: 0.5 });
    expect(depthOptions(early)).toEqual({ exit: { entropy: 0.5 }, kv: "last-exited", verify: false });
    expect(keptWith(early)).toBe("last-exited");
  });
  it("does not change with what a mode leaves aside", () => {
    expect(sameDepth(depth(), depth({ kv: "first" }))).toBe(true);
    expect(sameDepth(depth({ mode: "full" }), depth({ mode: "full", value: 0.2 }))).toBe(true);
    expect(sameDepth(depth(), depth({ value: 0.7 }))).toBe(false);
  });
});

describe("the other rules", () => {
  it("each take a number within what the model can do", () => {
    for (const steps of [1, 4, 8]) {
      for (const field of ruleFields(steps)) {
        expect(field.value).toBeGreaterThanOrEqual(field.min);
        expect(field.value).toBeLessThanOrEqual(field.max);
        expect(exitRule(field)).toEqual({ [field.rule]: field.value });
      }
    }
  });
  it("count loops in whole numbers", () => {
    const step = ruleFields(4).find((field) => field.rule === "step")!;
    expect(within(step, 2.6)).toBe(3);
    expect(within(step, 9)).toBe(4);
    expect(within(step, Number.NaN)).toBe(step.value);
  });
});
