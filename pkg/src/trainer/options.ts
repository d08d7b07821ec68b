import {
  abortSignal,
  address,
  callback,
  checked,
  flag,
  given,
  invalid,
  number,
  oneOf,
  whole,
  type Check,
} from "../checks.js";
import { absoluteUrl } from "../source.js";
import type { CreateRequest } from "./engine.js";
import type {
  Checkpoint,
  GateConfig,
  PresetsOptions,
  TrainConfig,
  TrainerOptions,
  TrainGateOptions,
} from "./types.js";

/** The weights' file of a checkpoint. */
export const WEIGHTS = "model.safetensors";

/** The optimizer's file of a checkpoint. */
export const OPTIMIZER = "optimizer.safetensors";

/** What `Trainer.create` was given, for the engine; throws `invalid-argument`. */
export function createRequest(config: TrainConfig | string, options: TrainerOptions): CreateRequest {
  const { resume, checkpointEvery, wasmUrl } = checked<TrainerOptions>("create", options, {
    onMetrics: callback,
    onState: callback,
    onCheckpoint: callback,
    signal: abortSignal,
    resume: checkpoint,
    hiddenTab: oneOf("continue", "pause"),
    checkpointEvery: whole(0),
    worker: flag,
    workerUrl: address,
    wasmUrl: address,
  });
  return {
    config: typeof config === "string" ? { preset: config } : { json: configJson(config) },
    ...given({
      resume,
      checkpointEvery,
      wasmUrl: wasmUrl === undefined ? undefined : absoluteUrl(wasmUrl, "wasmUrl"),
    }),
  };
}

/** The wasm's address that `Trainer.presets` was given, if any; throws `invalid-argument`. */
export function presetsWasmUrl(options: PresetsOptions): string | undefined {
  const { wasmUrl } = checked<PresetsOptions>("presets", options, {
    worker: flag,
    workerUrl: address,
    wasmUrl: address,
  });
  return wasmUrl === undefined ? undefined : absoluteUrl(wasmUrl, "wasmUrl");
}

/** `trainGate`'s options for the engine; throws `invalid-argument`. */
export function gateConfig(options: TrainGateOptions): GateConfig {
  const { label, k, gamma, updates, learning_rate, samples } = checked<TrainGateOptions>(
    "trainGate",
    options,
    {
      label: oneOf("look-ahead", "paper"),
      k: number(0, Infinity, "above"),
      gamma: number(-Infinity, Infinity),
      updates: whole(1),
      learning_rate: number(0, Infinity, "above"),
      samples: whole(1),
      onProgress: callback,
      signal: abortSignal,
    },
  );
  return given({ label, k, gamma, updates, learning_rate, samples });
}

/** The fields are the engine's to judge: it knows the tasks. */
function configJson(config: TrainConfig): string {
  if (typeof config !== "object" || config === null || Array.isArray(config)) {
    throw invalid("config", "must be a configuration or a preset's name", config);
  }
  try {
    return JSON.stringify(config);
  } catch {
    throw invalid("config", "must be plain data, as JSON can hold it", config);
  }
}

const checkpoint: Check<Checkpoint> = (value, name) => {
  const found = Object(value) as Partial<Checkpoint>;
  for (const file of [WEIGHTS, OPTIMIZER]) {
    if (!(found.files?.[file] instanceof Uint8Array)) {
      throw invalid(name, `must be a checkpoint, with a file ${file}`, value);
    }
  }
  whole(0)(found.update, `${name}.update`);
  number(0, Infinity)(found.seconds, `${name}.seconds`);
  return value as Checkpoint;
};
