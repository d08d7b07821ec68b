import { describe, expect, it } from "vitest";
import { cumulate } from "../exit.ts";
import { exitMeans, type Found, meansSentence } from "./means.ts";

const found = (kind: Found["kind"], hops: number, pdf: number[]): Found => ({
  kind,
  hops,
  cumulated: cumulate(pdf),
});
const words = [
  found("pattern", 0, [0.9, 0.1, 0, 0]),
  found("pattern", 0, [0.9, 0.1, 0, 0]),
  found("name", 1, [0.1, 0.8, 0.1, 0]),
  found("name", 3, [0.1, 0.1, 0.1, 0.7]),
];

describe("exitMeans", () => {
  it("counts the words that left at each step, and their mean", () => {
    const { pattern, names, byHops } = exitMeans(words, 0.8, 4);
    expect(pattern).toMatchObject({ words: 2, left: [2, 0, 0, 0], mean: 1 });
    expect(names).toMatchObject({ words: 2, left: [0, 1, 0, 1], mean: 3 });
    expect(byHops.map(({ label, mean }) => [label, mean])).toEqual([
      ["names, 1 hop", 2],
      ["names, 3 hops", 4],
    ]);
  });
  it("follows q without the model", () => {
    expect(exitMeans(words, 0.95, 4).pattern.mean).toBe(2);
    expect(exitMeans(words, 1, 4).names.mean).toBe(4);
  });
  it("takes words that left and saved the rest", () => {
    expect(exitMeans([found("pattern", 0, [0.7])], 0.9, 4).pattern).toMatchObject({ words: 1, mean: 1 });
  });
});

describe("meansSentence", () => {
  const sentence = (all: Found[], q = 0.8) => meansSentence(exitMeans(all, q, 4));
  it("says which took longer, whatever it is", () => {
    expect(sentence(words)).toBe(
      "Words of the pattern left after 1.0 steps on average, names after 3.0: what has to be remembered takes longer.",
    );
    expect(sentence(words, 1)).toBe("Words of the pattern and names both left after 4.0 steps on average.");
    expect(
      sentence([
        { ...words[0]!, kind: "name" },
        { ...words[3]!, kind: "pattern" },
      ]),
    ).toContain("names after 1.0. That is the other way round");
  });
  it("waits until there is something to compare", () => {
    expect(sentence([])).toBeUndefined();
    expect(sentence(words.slice(0, 2))).toBeUndefined();
  });
});
