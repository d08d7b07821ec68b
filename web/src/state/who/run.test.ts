import { LoopLM } from "looplm";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { isRight } from "../../model/exit.ts";
import { taskOf } from "../../model/task.ts";
import { open } from "../model.ts";
import { columns, preferred, steps } from "../view.ts";
import { compared, means } from "./found.ts";
import * as builder from "./question.ts";
import { answerPlace, ask, askAgain, askSamples, clear, error, state, stop, tell, words } from "./run.ts";

vi.mock("looplm", () => import("../../testing/looplm-double.ts"));

const text = () => words.value.map((word) => word.text).join(" ");
const QUESTION = { person: "alice", path: ["friend", "boss"] };

beforeEach(async () => {
  const model = await LoopLM.load("who-is-who");
  open.value = { source: { name: "m", from: "m" }, model, info: model.info, task: taskOf(model.info) };
  steps.value = 4;
  clear();
});

describe("a question", () => {
  it("is completed, and held against the facts", async () => {
    await ask(QUESTION);
    expect(state.value).toBe("done");
    expect(text()).toBe("the boss of the friend of alice is david .");
    expect(words.value.map((word) => word.kind)).toEqual([
      ...["given", "given", "pattern", "given", "given", "pattern", "given", "pattern", "name", "pattern"],
    ]);
    expect(answerPlace.value).toBe(8);
    expect(preferred.value).toBe(8);
    expect(isRight(columns.value[8]!, 4)).toBe(true);
    expect(builder.question.value).toEqual(QUESTION);
  });

  it("shows the guesses of a word of the prompt, and none of what was given", async () => {
    await ask(QUESTION);
    const [the, , of] = columns.value;
    expect(the).toMatchObject({ origin: "given", steps: [], of: 4 });
    expect(of).toMatchObject({ origin: "prompt", label: "of" });
    expect(of!.steps[3]!.top![0]!.text).toBe("of");
  });

  it("asked anew with other steps is compared with sentences of as many only", async () => {
    await ask(QUESTION);
    expect(compared.value).toBe(1);
    steps.value = 2;
    await askAgain();
    expect(columns.value[2]!.steps.length).toBe(2);
    expect(compared.value).toBe(1);
    await ask({ person: "bob", path: ["friend"] });
    expect(compared.value).toBe(2);
  });

  it("takes the place of one that is still running", async () => {
    const first = ask(QUESTION);
    await ask({ person: "bob", path: ["friend"] });
    await first;
    expect(text()).toBe("the friend of bob is carol .");
    expect(state.value).toBe("done");
  });
});

it("tells of a person word by word, every name a fact", async () => {
  await tell("bob");
  expect(text()).toBe("about bob : the friend is carol , the boss is david .");
  expect(answerPlace.value).toBeUndefined();
  const names = columns.value.filter((column) => column.truth !== undefined);
  expect(names.map(({ label, truth }) => [label, truth])).toEqual([
    ["carol", "carol"],
    ["david", "david"],
  ]);
  expect(means.value.names.words).toBe(2);
  // ":", and of the story all that is no name.
  expect(means.value.pattern.words).toBe(1 + 3 + 1 + 3 + 1);
});

it("asks all samples, and counts one that was asked before once", async () => {
  await ask(QUESTION);
  await askSamples();
  expect(compared.value).toBe(3);
  expect(means.value.byHops.map((group) => group.words)).toEqual([1, 1, 1]);
});

it("stops in the middle of the samples", async () => {
  const asking = askSamples();
  await vi.waitFor(() => expect(words.value.length).toBeGreaterThan(0));
  stop();
  await asking;
  expect(state.value).toBe("done");
  expect(compared.value).toBe(1);
});

it("takes the steps that were taken, where the model left and saved the rest", async () => {
  const { model } = open.value!;
  const whole = model.generate.bind(model);
  model.generate = (prompt, options) => {
    const stream = whole(prompt, options);
    async function* early() {
      for await (const token of stream) yield { ...token, steps: token.steps.slice(0, 2) };
    }
    return Object.assign(early(), { finished: stream.finished }) as unknown as typeof stream;
  };
  await ask(QUESTION);
  expect(columns.value[8]).toMatchObject({ of: 4, steps: { length: 2 } });
  expect(means.value.names.left).toEqual([0, 1, 0, 0]);
});

it("says why there is no answer", async () => {
  open.value!.model.forward = () =>
    Promise.reject(Object.assign(new Error("gone"), { code: "device-lost", details: {} }));
  await ask(QUESTION);
  expect(state.value).toBe("error");
  expect(error.value?.code).toBe("device-lost");
});
