import { describe, expect, it } from "vitest";
import { whoInfo } from "../../testing/who-fixtures.ts";
import { taskOf } from "../task.ts";
import { biographyOf, parseQuestion, promptOf, trail, whoTask } from "./task.ts";

const task = whoTask(whoInfo())!;

describe("whoTask", () => {
  it("reads people, facts and samples", () => {
    expect(task.names).toEqual(["alice", "bob", "carol", "david"]);
    expect(task.facts.get("boss")?.get("alice")).toBe("carol");
    expect(task.samples.map(({ question }) => question.path.length)).toEqual([1, 2, 3]);
    expect(taskOf(whoInfo())?.kind).toBe("who-is-who");
  });
  it("says of the longest samples only that they were held out, and only where some were", () => {
    expect(task.samples.map((sample) => sample.heldOut)).toEqual([false, false, true]);
    expect(whoTask(whoInfo({ held_out: 0 }))!.samples.some((sample) => sample.heldOut)).toBe(false);
  });
  it("refuses what is not whole", () => {
    for (const differs of [
      { kind: "something-else" },
      { names: [] },
      { names: ["alice", 3] },
      { relations: undefined },
      { hops: 0 },
      { facts: null },
      { facts: { friend: [1, 2, 3, 0] } },
      { facts: { friend: [1, 2, 3, 0], boss: [2, 3, 0] } },
      { facts: { friend: [1, 2, 3, 0], boss: [2, 3, 0, 9] } },
    ])
      expect(whoTask(whoInfo(differs)), JSON.stringify(differs)).toBeUndefined();
  });
  it("does without samples and biographies", () => {
    const bare = whoTask(whoInfo({ questions: [{ prompt: "who?" }, null], biography: undefined }))!;
    expect(bare.samples).toEqual([]);
    expect(biographyOf("bob", bare)).toBeUndefined();
  });
});

describe("a question", () => {
  const prompt = "the boss of the friend of alice is";
  it("is read and written", () => {
    const question = parseQuestion(prompt, task)!;
    expect(question).toEqual({ person: "alice", path: ["friend", "boss"] });
    expect(promptOf(question)).toBe(prompt);
    expect(parseQuestion("the friend of alice", task)).toBeUndefined();
    expect(parseQuestion("the friend of xerxes is", task)).toBeUndefined();
    expect(parseQuestion("the cook of alice is", task)).toBeUndefined();
    expect(parseQuestion(`${"the friend of ".repeat(4)}alice is`, task)).toBeUndefined();
  });
  it("is answered by following the facts from the person on", () => {
    expect(trail(parseQuestion(prompt, task)!, task)).toEqual(["alice", "bob", "david"]);
  });
});

it("a biography begins with its person", () => {
  expect(biographyOf("carol", task)).toBe("about carol :");
});
