import { describe, expect, it } from "vitest";
import { told, withoutThoughts } from "./conversation.ts";

describe("withoutThoughts", () => {
  it("leaves a text without thoughts as it is", () => {
    expect(withoutThoughts(" 4, I\nsay ")).toEqual({ thought: "", said: " 4, I\nsay " });
  });
  it("takes out whole thoughts, also one that the prompt began", () => {
    const parts = { thought: "add", said: "4" };
    expect(withoutThoughts("<think>\nadd\n</think>\n\n4")).toEqual(parts);
    expect(withoutThoughts("add\n</think>\n\n4")).toEqual(parts);
    expect(withoutThoughts("add</think>4<think>or?</think>")).toEqual({ thought: "add\n\nor?", said: "4" });
  });
  it("takes a thought without its end to the end", () => {
    expect(withoutThoughts("<think>add two and")).toEqual({ thought: "add two and", said: "" });
    expect(withoutThoughts("4<think>or")).toEqual({ thought: "or", said: "4" });
  });
});

it("tells the model what was said, and no thought that came to nothing", () => {
  expect(
    told([
      { question: "2 + 2?", thought: "add", said: "4" },
      { question: "And 3?", thought: "add three and", said: "" },
    ]),
  ).toEqual([
    { role: "user", content: "2 + 2?" },
    { role: "assistant", content: "4" },
  ]);
});
