import { readFileSync } from "node:fs";
import type { ModelInfo } from "looplm";
import { describe, expect, it } from "vitest";
import { ballPlace, label, parseLabel, parseMove, randomMoves, track } from "./shuffle.ts";
import { movesOf, promptProblem, shuffleTask } from "./task.ts";

// The shipped model's own description of its task: the page must understand that one, not a copy of it.
const config = JSON.parse(
  readFileSync(new URL("../../../models/shell-game/config.json", import.meta.url), "utf8"),
) as { looplm_task: ModelInfo["task"] };
const info = { task: config.looplm_task } as ModelInfo;
const task = shuffleTask(info)!;

describe("the shipped model's task", () => {
  it("is one the page can draw", () => {
    expect([...task.moves.keys()]).toEqual(["stay", "swap12", "swap23", "swap13", "left", "right"]);
    expect(task.maxMoves).toBe(16);
    expect(promptProblem(task.example, task)).toBeUndefined();
  });
  it("moves cups by place: the first goes to the end when all go left", () => {
    const after = (moves: string) => label(track(movesOf(moves, task)).at(-1)!);
    expect(after("")).toBe("123");
    expect(after("swap12")).toBe("213");
    expect(after("left")).toBe("231");
    expect(after("right")).toBe("312");
    expect(after("swap12 left")).toBe("132");
    expect(after("left right stay")).toBe("123");
    expect(after("swap13 swap13")).toBe("123");
  });
});

describe("shuffleTask", () => {
  it("refuses what it cannot draw", () => {
    expect(shuffleTask({ ...info, task: null })).toBeUndefined();
    expect(shuffleTask({ ...info, task: { kind: "who-is-who" } })).toBeUndefined();
    expect(shuffleTask({ ...info, task: { kind: "track-the-shuffle" } })).toBeUndefined();
    expect(
      shuffleTask({ ...info, task: { kind: "track-the-shuffle", moves: { turn: [0, 1] } } }),
    ).toBeUndefined();
    expect(
      shuffleTask({ ...info, task: { kind: "track-the-shuffle", moves: { turn: [0, 1, 1] } } }),
    ).toBeUndefined();
  });
});

describe("promptProblem", () => {
  it("names the word it does not know", () => {
    expect(promptProblem("left wiggle", task)).toContain("“wiggle”");
    expect(promptProblem("  ", task)).toContain("at least one move");
    expect(promptProblem("LEFT", task)).toBeUndefined();
  });
});

describe("labels", () => {
  it("are read back, and nothing else is", () => {
    expect(parseLabel(" 312")).toEqual([3, 1, 2]);
    for (const text of ["", "31", "311", "3124", "abc"]) expect(parseLabel(text)).toBeUndefined();
    expect(ballPlace([3, 1, 2])).toBe(3);
  });
  it("parseMove takes permutations only", () => {
    expect(parseMove([2, 0, 1])).toEqual([2, 0, 1]);
    for (const value of [null, "012", [0, 1], [0, 1, 3], [1, 1, 2]]) expect(parseMove(value)).toBeUndefined();
  });
});

describe("randomMoves", () => {
  it("draws as many as asked for, none that moves nothing", () => {
    let n = 0;
    const drawn = randomMoves(task.moves, 50, () => (n += 0.37) % 1);
    expect(drawn).toHaveLength(50);
    expect(drawn.every((move) => task.moves.has(move) && move !== "stay")).toBe(true);
    expect(randomMoves(task.moves, 0)).toEqual([]);
  });
});
