import type { StepTrace } from "looplm";
import { describe, expect, it } from "vitest";
import { column, cumulate, exitStep, isRight, settledStep, summarize } from "./exit.ts";

function steps(pdf: readonly number[], answers: readonly string[] = []): StepTrace[] {
  return pdf.map((probability, i) => ({
    lambda: 0.5,
    probability,
    ...(answers[i] === undefined ? {} : { top: [{ id: 0, text: answers[i], probability: 0.9 }] }),
  }));
}
const made = (pdf: readonly number[], answers: readonly string[] = [], truth?: string) =>
  column({
    position: 0,
    label: "left",
    origin: "label",
    steps: steps(pdf, answers),
    ...(truth === undefined ? {} : { truth }),
  });

describe("cumulate", () => {
  it("sums in f32, not in f64", () => {
    const tenth = Math.fround(0.1);
    const sum = cumulate([tenth, tenth, tenth]);
    expect(sum[2]).toBe(Math.fround(Math.fround(tenth + tenth) + tenth));
    expect(sum[2]).not.toBe(tenth + tenth + tenth);
  });
});

describe("exitStep", () => {
  const sum = cumulate([0.25, 0.25, 0.25, 0.25]);
  it("is the first step that reaches q, which is enough", () => {
    expect(exitStep(sum, 0.2)).toBe(1);
    expect(exitStep(sum, 0.25)).toBe(1);
    expect(exitStep(sum, 0.26)).toBe(2);
    expect(exitStep(sum, 0.75)).toBe(3);
    expect(exitStep(sum, 0.76)).toBe(4);
  });
  it("compares with q in f32, as the engine does", () => {
    // 0.1 in f64 is less than 0.1 in f32; a q of 0.7 in f64 is more than the same in f32.
    expect(exitStep(cumulate([0.7, 0.3]), 0.7)).toBe(1);
  });
  it("gives the last step whatever is left, and never leaves early at q = 1", () => {
    expect(exitStep(cumulate([0.1, 0.1, 0.1]), 0.9)).toBe(3);
    expect(exitStep(cumulate([1, 0, 0]), 1)).toBe(3);
    expect(exitStep(cumulate([1]), 0.5)).toBe(1);
  });
  it("is the last step taken where the rest was saved, and none where there was none", () => {
    expect(exitStep(cumulate([0.3, 0.4]), 0.6)).toBe(2);
    expect(exitStep(cumulate([0.3, 0.4]), 0.9)).toBe(2);
    expect(exitStep(cumulate([]), 0.5)).toBe(0);
    expect(exitStep(cumulate([]), 1)).toBe(0);
  });
});

describe("settledStep", () => {
  it("is the first step from which the answer stays right", () => {
    expect(settledStep(made([0.5, 0.5, 0], ["213", "123", "213"], "213"))).toBe(3);
    expect(settledStep(made([0.5, 0.5, 0], ["213", "213", "213"], "213"))).toBe(1);
    expect(settledStep(made([0.5, 0.5, 0], ["213", "213", "123"], "213"))).toBeUndefined();
  });
});

describe("isRight", () => {
  it("knows nothing where there is no truth", () => {
    expect(isRight(made([1], ["213"]), 1)).toBeUndefined();
    expect(isRight(made([1], [" 213"], "213"), 1)).toBe(true);
    expect(isRight(made([1], ["231"], "213"), 1)).toBe(false);
  });
  it("knows nothing of a step that was not taken", () => {
    expect(isRight(made([1], ["213"], "213"), 2)).toBeUndefined();
  });
});

describe("summarize", () => {
  const columns = [
    made([0.9, 0.05, 0.05], ["213", "213", "213"], "213"),
    made([0.1, 0.8, 0.1], ["123", "213", "213"], "213"),
    made([0.1, 0.1, 0.8], ["123", "123", "213"], "213"),
    made([0.9, 0.05, 0.05], ["123", "123", "213"], "213"),
  ];
  it("counts the steps after the exits exactly", () => {
    const all = summarize(columns, 0.8);
    expect(all).toMatchObject({ tokens: 4, steps: 12, after: 2 + 1 + 0 + 2, right: { of: 4, count: 3 } });
    expect(all.meanExit).toBeCloseTo((1 + 2 + 3 + 1) / 4);
    expect(all.needed).toEqual({ first: 1.5, second: 3 });
    expect(summarize(columns, 1)).toMatchObject({ after: 0, right: { of: 4, count: 4 } });
  });
  it("says nothing of right and wrong where the truth is unknown", () => {
    expect(summarize([made([1, 0])], 0.5)).toEqual({ tokens: 1, steps: 2, after: 1, meanExit: 1 });
    expect(summarize([], 0.5)).toEqual({ tokens: 0, steps: 0, after: 0, meanExit: 0 });
  });
  it("leaves out what was given, and of a text says only how often it was right", () => {
    const given = column({ position: 1, label: "dora", origin: "given", steps: [], of: 3 });
    const word = { ...columns[0]!, origin: "generated" as const };
    const pattern = made([0.9, 0.1]);
    expect(summarize([given, pattern, word], 0.5)).toEqual({
      tokens: 2,
      steps: 5,
      after: 3,
      meanExit: 1,
      right: { of: 1, count: 1 },
    });
  });
  it("counts only the steps that were taken", () => {
    const early = column({ position: 0, label: "is", origin: "generated", steps: steps([0.7]), of: 4 });
    expect(summarize([early, early], 0.6)).toMatchObject({ tokens: 2, steps: 2, after: 0, meanExit: 1 });
  });
});
