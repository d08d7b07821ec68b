import { expect, test } from "vitest";
import { FAKE_CONFIG } from "../testing/fake-trainer.js";
import { createRequest, gateConfig, presetsWasmUrl } from "./options.js";
import type { Checkpoint, TrainConfig, TrainerOptions, TrainGateOptions } from "./types.js";

const CHECKPOINT: Checkpoint = {
  update: 3,
  seconds: 1,
  config: FAKE_CONFIG,
  files: { "model.safetensors": Uint8Array.of(1), "optimizer.safetensors": Uint8Array.of(2) },
};

const argument = (name: string): unknown =>
  expect.objectContaining({ code: "invalid-argument", details: { argument: name } });

test("a configuration goes as JSON, a preset by its name, and only what was given goes along", () => {
  expect(createRequest(FAKE_CONFIG, {})).toEqual({ config: { json: JSON.stringify(FAKE_CONFIG) } });
  const options: TrainerOptions = {
    resume: CHECKPOINT,
    checkpointEvery: 0,
    wasmUrl: "http://x.test/a.wasm",
    signal: undefined,
  };
  expect(createRequest("tiny", options)).toEqual({
    config: { preset: "tiny" },
    resume: CHECKPOINT,
    checkpointEvery: 0,
    wasmUrl: "http://x.test/a.wasm",
  });
});

test.each([[undefined], [null], [3], [[FAKE_CONFIG]], [{ ...FAKE_CONFIG, seed: 1n }]])(
  "a configuration that is none: %s",
  (config) => {
    expect(() => createRequest(config as unknown as TrainConfig, {})).toThrow(argument("config"));
  },
);

test.each([
  [{ hiddenTab: "sleep" }, "hiddenTab"],
  [{ checkpointEvery: -1 }, "checkpointEvery"],
  [{ onMetric: () => undefined }, "onMetric"],
  [{ resume: {} }, "resume"],
  [{ resume: null }, "resume"],
  [{ resume: { ...CHECKPOINT, files: { "model.safetensors": Uint8Array.of(1) } } }, "resume"],
  [{ resume: { ...CHECKPOINT, update: 0.5 } }, "resume.update"],
])("an option of create that cannot be: %j", (options, name) => {
  expect(() => createRequest("tiny", options as TrainerOptions)).toThrow(argument(name));
});

test("the gate's options are checked, and its listeners stay here", () => {
  expect(gateConfig({ k: 10, label: "paper", onProgress: () => undefined })).toEqual({
    k: 10,
    label: "paper",
  });
  for (const [name, value] of Object.entries({ label: "mine", updates: 0, k: 0, learning_rate: NaN })) {
    expect(() => gateConfig({ [name]: value } as TrainGateOptions)).toThrow(argument(name));
  }
});

test("presets take an address of the wasm and no other options", () => {
  expect(presetsWasmUrl({})).toBeUndefined();
  expect(() => presetsWasmUrl({ resume: CHECKPOINT } as object)).toThrow(argument("resume"));
});
