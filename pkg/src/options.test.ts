import { describe, expect, test } from "vitest";
import {
  chatConfig,
  chatMessages,
  chatPromptConfig,
  forwardConfig,
  generateConfig,
  loadConfig,
  tokenIds,
} from "./options.js";
import { FAKE_INFO } from "./testing/fake-wasm.js";
import type { GenerateOptions } from "./types.js";

function refused(argument: string): unknown {
  return expect.objectContaining({ code: "invalid-argument", details: { argument } });
}

describe("generate", () => {
  test("passes what is given, without undefined and without the signal", () => {
    const options: GenerateOptions = {
      maxNewTokens: 64,
      temperature: 0,
      topK: 0,
      topP: 1,
      minP: 0,
      repetitionPenalty: 1.1,
      seed: 7,
      steps: 8,
      exit: { gate: 0.8 },
      stop: ["\n"],
      trace: { topK: 5 },
    };
    const { signal } = new AbortController();
    expect(generateConfig({ ...options, signal, minP: undefined }, FAKE_INFO)).toEqual(
      Object.fromEntries(Object.entries(options).filter(([name]) => name !== "minP")),
    );
    expect(generateConfig({}, FAKE_INFO)).toEqual({});
  });

  test.each<[string, unknown, string?]>([
    ["maxNewTokens", 0],
    ["maxNewTokens", 1.5],
    ["maxNewTokens", "64"],
    ["temperature", -0.1],
    ["temperature", NaN],
    ["temperature", Infinity],
    ["topK", -1],
    ["topP", 0],
    ["topP", 1.01],
    ["minP", -1],
    ["minP", NaN],
    ["repetitionPenalty", 0],
    ["seed", -1],
    ["seed", 2 ** 60],
    ["steps", 0],
    ["steps", 9],
    ["steps", NaN],
    ["exit", "never"],
    ["exit", null],
    ["exit", {}],
    ["exit", { layer: 3 }],
    ["exit", { step: 1, gate: 0.5 }],
    ["exit", { step: 0 }, "exit.step"],
    ["exit", { step: 5 }, "exit.step"],
    ["exit", { gate: 0 }, "exit.gate"],
    ["exit", { gate: 1.5 }, "exit.gate"],
    ["exit", { gate: NaN }, "exit.gate"],
    ["stop", "text"],
    ["stop", [""], "stop[0]"],
    ["stop", ["a", 1], "stop[1]"],
    ["trace", true],
    ["trace", { topK: 0 }, "trace.topK"],
    ["trace", { topK: 17 }, "trace.topK"],
    ["trace", { topK: 1.5 }, "trace.topK"],
    ["signal", {}],
    ["max_new_tokens", 5],
  ])("refuses %s: %j", (name, value, argument = name) => {
    expect(() => generateConfig({ [name]: value }, FAKE_INFO)).toThrow(refused(argument) as Error);
  });

  test("a fixed exit step may be as large as steps", () => {
    expect(generateConfig({ steps: 6, exit: { step: 6 } }, FAKE_INFO)).toEqual({
      steps: 6,
      exit: { step: 6 },
    });
    expect(() => generateConfig({ steps: 2, exit: { step: 3 } }, FAKE_INFO)).toThrow(
      "exit.step must be a whole number from 1 to 2, not 3",
    );
  });

  test("says what there is instead of an unknown option", () => {
    expect(() => generateConfig({ max_tokens: 1 } as object, FAKE_INFO)).toThrow(
      /no option "max_tokens"; it has maxNewTokens, /,
    );
  });
});

test("chat keeps the template's options apart", () => {
  expect(chatConfig({ enableThinking: true, seed: 1 }, FAKE_INFO)).toEqual({
    generate: { seed: 1 },
    prompt: { addGenerationPrompt: true, enableThinking: true },
  });
  expect(() => chatConfig({ enableThinking: 1 } as object, FAKE_INFO)).toThrow(
    refused("enableThinking") as Error,
  );
  expect(chatPromptConfig({ addGenerationPrompt: false })).toEqual({ addGenerationPrompt: false });
});

test("forward", () => {
  const { signal } = new AbortController();
  expect(forwardConfig({ steps: 2, logits: true, hidden: false, gate: 0.5, signal })).toEqual({
    steps: 2,
    logits: true,
    hidden: false,
    gate: 0.5,
  });
  expect(() => forwardConfig({ steps: 9 })).toThrow(refused("steps") as Error);
  expect(() => forwardConfig({ gate: 0 })).toThrow(refused("gate") as Error);
  expect(() => forwardConfig({ logits: 1 } as object)).toThrow(refused("logits") as Error);
  expect(() => forwardConfig(null as unknown as object)).toThrow(refused("options") as Error);
});

test("load", () => {
  expect(loadConfig({ worker: false, contextLength: 10, maxBindingSize: 1024 })).toEqual({
    contextLength: 10,
    maxBindingSize: 1024,
  });
  expect(() => loadConfig({ worker: "yes" } as object)).toThrow(refused("worker") as Error);
  expect(() => loadConfig({ onProgress: 1 } as object)).toThrow(refused("onProgress") as Error);
  expect(() => loadConfig({ wasmUrl: 1 } as object)).toThrow(refused("wasmUrl") as Error);
  expect(() => loadConfig({ maxRows: 0 })).toThrow(refused("maxRows") as Error);
});

test("token ids", () => {
  expect(tokenIds([0, 99], "ids", 100)).toEqual(Uint32Array.of(0, 99));
  expect(() => tokenIds([0, 100], "ids", 100)).toThrow("ids[1] must be a token id, 0 to 99, not 100");
  expect(() => tokenIds("text", "ids", 100)).toThrow(refused("ids") as Error);
  expect(() => tokenIds(new Float32Array(2), "ids", 100)).toThrow(refused("ids") as Error);
});

test("messages", () => {
  expect(chatMessages([{ role: "user", content: "hi", name: "x" }])).toEqual([
    { role: "user", content: "hi" },
  ]);
  expect(() => chatMessages([])).toThrow(refused("messages") as Error);
  expect(() => chatMessages([{ role: "user" }])).toThrow(refused("messages[0].content") as Error);
  expect(() => chatMessages([null])).toThrow(refused("messages[0].role") as Error);
});
