import { beforeEach, describe, expect, it, vi } from "vitest";
import type { LoopLM } from "looplm";
import { taskOf } from "../../model/task.ts";
import { whoInfo } from "../../testing/who-fixtures.ts";
import { open } from "../model.ts";
import { hops, question, reset, setHops, setPerson, setRelation, show } from "./question.ts";

vi.mock("looplm", () => ({}));

beforeEach(() => {
  const info = whoInfo();
  open.value = { source: { name: "m", from: "m" }, model: {} as LoopLM, info, task: taskOf(info) };
  reset();
  show({ person: "alice", path: ["friend", "boss"] });
});

describe("the question in the selects", () => {
  it("is the one that was shown", () => {
    expect(hops.value).toBe(2);
    expect(question.value).toEqual({ person: "alice", path: ["friend", "boss"] });
  });
  it("changes a relation by its place in the sentence", () => {
    // the [boss] of the [friend] of alice
    setRelation(0, "friend");
    expect(question.value.path).toEqual(["friend", "friend"]);
    setRelation(1, "boss");
    expect(question.value.path).toEqual(["boss", "friend"]);
    setPerson("bob");
    expect(question.value.person).toBe("bob");
  });
  it("keeps what was asked when it grows and shrinks", () => {
    setHops(3);
    expect(question.value.path.slice(0, 2)).toEqual(["friend", "boss"]);
    expect(question.value.path[2]).toMatch(/friend|boss/);
    setHops(1);
    expect(question.value.path).toEqual(["friend"]);
    setHops(2);
    expect(question.value.path).toEqual(["friend", "boss"]);
  });
  it("keeps the longer part while a shorter question is shown", () => {
    show({ person: "carol", path: ["boss"] });
    expect(question.value).toEqual({ person: "carol", path: ["boss"] });
    setHops(2);
    expect(question.value.path).toEqual(["boss", "boss"]);
  });
});
