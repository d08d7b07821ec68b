import { describe, expect, it } from "vitest";
import { whoInfo } from "../../testing/who-fixtures.ts";
import { whoTask } from "./task.ts";
import { longest, next, promptKind } from "./words.ts";

const task = whoTask(whoInfo())!;
const question = { person: "alice", path: ["friend", "boss"] };

it("tells words that follow from those that are free", () => {
  expect("the boss of the friend of alice is".split(" ").map(promptKind)).toEqual([
    ...["given", "given", "pattern", "given", "given", "pattern", "given", "pattern"],
  ]);
  expect("about alice :".split(" ").map(promptKind)).toEqual(["given", "given", "pattern"]);
});

describe("next", () => {
  it("knows the answer of a question, and that a full stop follows", () => {
    const words = "the boss of the friend of alice is".split(" ");
    expect(next(words, { question }, task)).toEqual({ kind: "name", truth: "david", hops: 2 });
    expect(next([...words, "david"], { question }, task)).toEqual({ kind: "pattern" });
  });
  it("knows the fact that a biography is about to tell", () => {
    const words = "about bob : the friend is carol , the boss is".split(" ");
    expect(next(words, { about: "bob" }, task)).toEqual({ kind: "name", truth: "david", hops: 1 });
    expect(next(words.slice(0, 4), { about: "bob" }, task)).toEqual({ kind: "pattern" });
  });
  it("knows no truth of what is no fact", () => {
    expect(next(["the", "the", "is"], { about: "bob" }, task)).toEqual({ kind: "name", hops: 1 });
  });
});

it("leaves room for all that can come", () => {
  expect(longest({ question }, task)).toBe(3);
  // the friend is bob , the boss is carol . and the end
  expect(longest({ about: "alice" }, task)).toBe(11);
});
