import { describe, expect, test } from "vitest";
import {
  chatConfig,
  chatMessages,
  chatPromptConfig,
  evictOptions,
  forwardConfig,
  generateConfig,
  loadConfig,
  promptIds,
  requestHeaders,
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
      minSteps: 2,
      maxSteps: 8,
      kv: "full",
      verify: "auto",
      timeline: true,
      cachePrompt: false,
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
    ["exit", { gateDelayed: 0 }, "exit.gateDelayed"],
    ["exit", { gateDelayed: 1.5 }, "exit.gateDelayed"],
    ["exit", { hidden: 0 }, "exit.hidden"],
    ["exit", { hidden: Infinity }, "exit.hidden"],
    ["exit", { hiddenAbs: -1 }, "exit.hiddenAbs"],
    ["exit", { hiddenAbs: Infinity }, "exit.hiddenAbs"],
    ["exit", { confidence: 0 }, "exit.confidence"],
    ["exit", { confidence: 1.1 }, "exit.confidence"],
    ["exit", { entropy: 0 }, "exit.entropy"],
    ["exit", { entropy: "0.5" }, "exit.entropy"],
    ["exit", { agree: 1 }, "exit.agree"],
    ["exit", { agree: 2.5 }, "exit.agree"],
    ["exit", { agree: 5 }, "exit.agree"],
    ["exit", { toString: 1 }],
    ["exit", ["full"]],
    ["minSteps", 0],
    ["minSteps", 5],
    ["minSteps", 1.5],
    ["maxSteps", 0],
    ["maxSteps", 5],
    ["maxSteps", NaN],
    ["kv", "half"],
    ["kv", true],
    ["verify", "on"],
    ["verify", 1],
    ["verify", null],
    ["timeline", "yes"],
    ["cachePrompt", 1],
    ["stop", ""],
    ["stop", 1],
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

  test("one stop text may come without a list", () => {
    expect(generateConfig({ stop: "\n\n" }, FAKE_INFO)).toEqual({ stop: ["\n\n"] });
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

  test.each<GenerateOptions>([
    { exit: "full" },
    { exit: { step: 1 } },
    { exit: { step: 4 } },
    { exit: { gate: 1 } },
    { exit: { gateDelayed: 0.01 } },
    { exit: { hidden: 0.05 } },
    { exit: { hiddenAbs: 200 } },
    { exit: { confidence: 1 } },
    { exit: { entropy: 0.01 } },
    { exit: { agree: 2 } },
    { exit: { agree: 4 } },
    { steps: 8, exit: { agree: 8 }, minSteps: 8, maxSteps: 8 },
    { minSteps: 1, maxSteps: 1 },
    { minSteps: 4 },
    { kv: "full" },
    { kv: "last-exited" },
    { kv: "last" },
    { kv: "mean" },
    { kv: "first" },
    { timeline: false },
    { cachePrompt: true },
  ])("takes %j", (options) => {
    expect(generateConfig(options, FAKE_INFO)).toEqual(options);
  });

  test("the bounds on steps fit each other, whichever comes first", () => {
    expect(() => generateConfig({ minSteps: 3, maxSteps: 2 }, FAKE_INFO)).toThrow(
      "minSteps must be a whole number from 1 to 2, not 3",
    );
    expect(() => generateConfig({ maxSteps: 2, minSteps: 3 }, FAKE_INFO)).toThrow(
      refused("minSteps") as Error,
    );
    expect(() => generateConfig({ steps: 2, maxSteps: 3 }, FAKE_INFO)).toThrow(refused("maxSteps") as Error);
    expect(() => generateConfig({ minSteps: 3, steps: 2 }, FAKE_INFO)).toThrow(refused("minSteps") as Error);
    expect(() => generateConfig({ minSteps: 1, maxSteps: 9 }, FAKE_INFO)).toThrow(
      refused("maxSteps") as Error,
    );
    expect(() => generateConfig({ maxSteps: 1, steps: 9 }, FAKE_INFO)).toThrow(refused("steps") as Error);
  });

  test("verification has its words for the engine, and needs every step's keys and values", () => {
    const words = ([true, false, "auto", "always"] as const).map(
      (verify) => generateConfig({ verify }, FAKE_INFO).verify,
    );
    expect(words).toEqual(["on", "off", "auto", "always"]);
    for (const kv of ["last-exited", "last", "mean", "first"] as const) {
      for (const verify of [true, "always"] as const) {
        expect(() => generateConfig({ verify, kv }, FAKE_INFO)).toThrow(refused("verify") as Error);
      }
      expect(generateConfig({ kv, verify: false }, FAKE_INFO)).toEqual({ kv, verify: "off" });
      expect(generateConfig({ kv, verify: "auto" }, FAKE_INFO)).toEqual({ kv, verify: "auto" });
    }
    expect(() => generateConfig({ verify: true, kv: "half" } as object, FAKE_INFO)).toThrow(
      refused("kv") as Error,
    );
    expect(generateConfig({ verify: true, kv: "full" }, FAKE_INFO)).toEqual({ verify: "on", kv: "full" });
    expect(generateConfig({ verify: undefined }, FAKE_INFO)).toEqual({});
  });

  test("says what there is instead of an unknown rule", () => {
    expect(() => generateConfig({ exit: { layer: 3 } } as object, FAKE_INFO)).toThrow(
      /exit must be "full" or one of \{ step: n \}, .*\{ agree: n \}, not \{ layer \}/,
    );
  });

  test("says what there is instead of an unknown option", () => {
    expect(() => generateConfig({ max_tokens: 1 } as object, FAKE_INFO)).toThrow(
      /no option "max_tokens"; it has maxNewTokens, /,
    );
  });
});

test("chat keeps the template's options apart", () => {
  expect(chatConfig({ enableThinking: true, seed: 1, verify: true }, FAKE_INFO)).toEqual({
    generate: { cachePrompt: true, seed: 1, verify: "on" },
    prompt: { addGenerationPrompt: true, enableThinking: true },
  });
  expect(chatConfig({ cachePrompt: false }, FAKE_INFO).generate).toEqual({ cachePrompt: false });
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
  expect(
    loadConfig({ worker: false, contextLength: 10, maxBindingSize: 1024, kvBytes: 1, memoryLimit: 2 }),
  ).toEqual({
    contextLength: 10,
    maxBindingSize: 1024,
    kvBytes: 1,
    memoryLimit: 2,
  });
  expect(loadConfig({ format: "q4", kv: "f16", cache: false })).toEqual({ format: "q4", kvFormat: "f16" });
  expect(loadConfig({ format: "stored" })).toEqual({});
  expect(() => loadConfig({ format: "q5" } as object)).toThrow(refused("format") as Error);
  expect(() => loadConfig({ kv: "full" } as object)).toThrow(refused("kv") as Error);
  expect(() => loadConfig({ cache: "yes" } as object)).toThrow(refused("cache") as Error);
  expect(() => loadConfig({ worker: "yes" } as object)).toThrow(refused("worker") as Error);
  expect(() => loadConfig({ onProgress: 1 } as object)).toThrow(refused("onProgress") as Error);
  expect(() => loadConfig({ wasmUrl: 1 } as object)).toThrow(refused("wasmUrl") as Error);
  expect(() => loadConfig({ chatWasmUrl: 1 } as object)).toThrow(refused("chatWasmUrl") as Error);
  expect(() => loadConfig({ maxRows: 0 })).toThrow(refused("maxRows") as Error);
  for (const kvBytes of [0, 1.5, NaN, "1"]) {
    expect(() => loadConfig({ kvBytes } as object)).toThrow(refused("kvBytes") as Error);
  }
});

test("headers are checked without being told to anybody", () => {
  expect(requestHeaders({ Authorization: "Bearer x" }, "headers")).toEqual({ authorization: "Bearer x" });
  expect(requestHeaders(new Headers({ a: "b" }), "headers")).toEqual({ a: "b" });
  for (const wrong of ["Bearer secret", { Authorization: "secret\n\u1234" }, { "a b": "secret" }, null]) {
    expect(() => requestHeaders(wrong, "headers")).toThrow(refused("headers") as Error);
    expect(() => requestHeaders(wrong, "headers")).not.toThrow(/secret/);
  }
  expect(() => loadConfig({ headers: 5 } as object)).toThrow(refused("headers") as Error);
});

test("evict", () => {
  expect(evictOptions({ format: "q4" })).toEqual({ format: "q4" });
  expect(() => evictOptions({ format: "q5" } as object)).toThrow(refused("format") as Error);
});

test("token ids", () => {
  expect(tokenIds([0, 99], "ids", 100)).toEqual(Uint32Array.of(0, 99));
  expect(() => tokenIds([0, 100], "ids", 100)).toThrow("ids[1] must be a token id, 0 to 99, not 100");
  expect(() => tokenIds("text", "ids", 100)).toThrow(refused("ids") as Error);
  expect(() => tokenIds(new Float32Array(2), "ids", 100)).toThrow(refused("ids") as Error);
});

test("prompts that are no text", () => {
  expect(promptIds([0, 99], 100)).toEqual(Uint32Array.of(0, 99));
  const message = { role: "user", content: "hi" };
  for (const conversation of [[message], message]) {
    expect(() => promptIds(conversation, 100)).toThrow(/a conversation is for `chat`/);
  }
  for (const nothing of [undefined, null, 5, {}]) {
    expect(() => promptIds(nothing, 100)).toThrow(/^prompt must be text, or token ids/);
  }
  expect(() => promptIds(["text"], 100)).toThrow(refused("prompt[0]") as Error);
  expect(() => promptIds([], 100)).toThrow("prompt must have at least one token");
});

test("messages", () => {
  expect(chatMessages([{ role: "user", content: "hi", name: "x" }])).toEqual([
    { role: "user", content: "hi" },
  ]);
  expect(() => chatMessages([])).toThrow(refused("messages") as Error);
  expect(() => chatMessages([{ role: "user" }])).toThrow(refused("messages[0].content") as Error);
  expect(() => chatMessages([null])).toThrow(refused("messages[0].role") as Error);
});
