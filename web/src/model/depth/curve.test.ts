import type { PositionTrace } from "looplm";
import { describe, expect, it } from "vitest";
import { whoInfo } from "../../testing/who-fixtures.ts";
import { promptOf } from "../who/task.ts";
import { whoTask } from "../who/task.ts";
import { curveOf, curveSentence, fullAccuracy, pointAt, questionsToMeasure, traced } from "./curve.ts";

const position = (pdf: number[], words: string[]): PositionTrace => ({
  ...{ id: 1, text: "is" },
  steps: pdf.map((probability, i) => ({
    lambda: 0,
    probability,
    top: [{ id: 0, text: ` ${words[i]}`, probability: 1 }],
  })),
});
const ALL = [
  traced(position([0.5, 0.25, 0.25], ["bob", "bob", "bob"]), "bob", 1),
  traced(position([0.25, 0.5, 0.25], ["bob", "carol", "david"]), "david", 2),
];

describe("the curve", () => {
  it("reads accuracy and mean steps off the traces, for any q", () => {
    expect(ALL.map(({ right }) => right)).toEqual([
      [true, true, true],
      [false, false, true],
    ]);
    expect(pointAt(ALL, 0.2)).toEqual({ q: 0.2, meanSteps: 1, accuracy: 0.5 });
    expect(pointAt(ALL, 0.5)).toEqual({ q: 0.5, meanSteps: 1.5, accuracy: 0.5 });
    expect(pointAt(ALL, 1)).toEqual({ q: 1, meanSteps: 3, accuracy: 1 });
    expect(fullAccuracy(ALL)).toBe(1);
    expect(curveOf(ALL).at(-1)).toEqual(pointAt(ALL, 1));
    expect(pointAt([], 0.5).accuracy).toBe(0);
  });
  it("is said in a sentence", () => {
    expect(curveSentence(pointAt(ALL, 0.5), 1, 3)).toBe(
      "At q = 0.50 a name leaves after 1.50 of 3 steps on average, with 50 % of the names right, where all steps get 100 %.",
    );
    expect(curveSentence(pointAt(ALL, 1), 1, 3)).toMatch(/with as many names right as all steps\.$/);
    expect(curveSentence(pointAt(ALL, 1), 0.5, 3)).toMatch(/more than the 50 % of all steps\.$/);
  });
});

describe("the questions", () => {
  const task = whoTask(whoInfo())!;
  it("are the samples and others, none twice", () => {
    let n = 0;
    const random = () => (n++ * 0.37) % 1;
    const questions = questionsToMeasure(task, 10, random);
    expect(questions.slice(0, 3)).toEqual(task.samples.map(({ question }) => question));
    expect(new Set(questions.map(promptOf)).size).toBe(questions.length);
    expect(questions.length).toBeGreaterThan(8);
    expect(new Set(questions.map(({ path }) => path.length))).toEqual(new Set([1, 2, 3]));
  });
  it("are no more than there are", () => {
    const small = { ...task, hops: 1 };
    expect(questionsToMeasure(small, 500).length).toBeLessThanOrEqual(8 + 3);
  });
});
