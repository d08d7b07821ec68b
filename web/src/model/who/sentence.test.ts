import type { GeneratedToken, StepTrace } from "looplm";
import { describe, expect, it } from "vitest";
import { whoInfo } from "../../testing/who-fixtures.ts";
import { isRight } from "../exit.ts";
import { found, promptPart, saidPart } from "./sentence.ts";
import { whoTask } from "./task.ts";

const task = whoTask(whoInfo())!;
const step = (text: string, probability: number): StepTrace => ({
  lambda: probability,
  probability,
  top: [{ id: 0, text, probability: 0.9 }],
});
const position = { id: 5, text: "alice", steps: [step("is", 0.9), step("is", 0.1)] };
const token = (text: string, steps: StepTrace[]): GeneratedToken => ({
  id: 7,
  text: ` ${text}`,
  position: 6,
  exitStep: steps.length,
  drafts: [],
  exitPdf: steps.map((s) => s.probability),
  steps,
});

describe("a word of the prompt", () => {
  it("takes its guesses from the position before it", () => {
    const { word, column } = promptPart("is", 5, position, 2);
    expect(word).toEqual({ text: "is", kind: "pattern", hops: 0, said: false });
    expect(column).toMatchObject({ position: 5, origin: "prompt", steps: position.steps, of: 2 });
  });
  it("has none where nobody could know it", () => {
    expect(promptPart("alice", 4, position, 2).column).toMatchObject({ origin: "given", steps: [], of: 2 });
    expect(promptPart("is", 0, undefined, 2).column.origin).toBe("given");
  });
});

describe("a word of the model", () => {
  const question = { person: "alice", path: ["friend"] };
  it("is held against the facts where it is a name", () => {
    const before = "the friend of alice is".split(" ");
    const { word, column } = saidPart(
      token("bob", [step("carol", 0.2), step("bob", 0.8)]),
      before,
      { question },
      task,
      4,
    );
    expect(word).toEqual({ text: "bob", kind: "name", hops: 1, said: true });
    expect([1, 2, 3].map((n) => isRight(column, n))).toEqual([false, true, undefined]);
    expect(column.of).toBe(4);
  });
  it("is part of the pattern elsewhere", () => {
    const { word, column } = saidPart(token(".", [step(".", 1)]), ["is", "bob"], { question }, task, 4);
    expect(word.kind).toBe("pattern");
    expect(isRight(column, 1)).toBeUndefined();
  });
});

it("compares what had to be found, not what was given", () => {
  const parts = [promptPart("alice", 4, position, 2), promptPart("is", 5, position, 2)];
  expect(found(parts)).toEqual([{ kind: "pattern", hops: 0, cumulated: parts[1]!.column.cumulated }]);
});
