import type { ModelInfo } from "looplm";

/** Four people in a ring: everybody's friend is the next, everybody's boss the one after that. */
export const WHO_TASK = {
  kind: "who-is-who",
  answers: "next-token",
  names: ["alice", "bob", "carol", "david"],
  relations: ["friend", "boss"],
  facts: { friend: [1, 2, 3, 0], boss: [2, 3, 0, 1] },
  hops: 3,
  held_out: 0.1,
  questions: [
    { prompt: "the friend of alice is", answer: "bob", hops: 1 },
    { prompt: "the boss of the friend of alice is", answer: "david", hops: 2 },
    { prompt: "the friend of the boss of the friend of bob is", answer: "bob", hops: 3 },
  ],
  example: "the friend of alice is",
  biography: "about alice :",
};

/** What a model says of itself that has this task, or one that differs in some fields. */
export function whoInfo(differs: Record<string, unknown> = {}): ModelInfo {
  return {
    architecture: { steps: 4, vocabSize: 14 },
    tokenizer: { vocabSize: 14, chatTemplate: false, stopIds: [2] },
    contextLength: 64,
    task: { ...WHO_TASK, ...differs },
  } as unknown as ModelInfo;
}
