import { createError, type LoopLMError, type PlainError } from "../errors.js";
import type {
  Checkpoint,
  Evaluation,
  Gate,
  GateConfig,
  GateProgress,
  Preset,
  RunResult,
  TrainerInfo,
  TrainerState,
  TrainMetric,
} from "./types.js";

/** What an engine needs to begin or go on with a run. */
export interface CreateRequest {
  /** The configuration as JSON, or a preset's name. */
  config: { json: string } | { preset: string };
  resume?: Checkpoint;
  checkpointEvery?: number;
  /** Of `looplm_train_bg.wasm`, absolute. Default: beside this package's files. */
  wasmUrl?: string;
}

/** A state as it crosses from the Worker. */
export type PlainState = Omit<TrainerState, "error"> & { error?: PlainError };

/** What an engine tells by itself. */
export type TrainerNotice =
  | { kind: "metric"; metric: TrainMetric }
  | { kind: "state"; state: PlainState }
  | { kind: "checkpoint"; checkpoint: Checkpoint };

/**
 * One run on one GPU, in this thread or in a Worker: `Trainer` does not know which. Calls may overlap; what computes waits
 * for its turn between two updates. Everything throws `LoopLMError`.
 */
export interface TrainerEngine {
  /** Needs no `create`. */
  presets(wasmUrl: string | undefined): Promise<Preset[]>;
  /** Called once. */
  create(request: CreateRequest, signal: AbortSignal): Promise<TrainerInfo>;
  /** At most `updates` updates (null: all that are left); ends early by `halt`. */
  run(updates: number | null): Promise<RunResult>;
  /** Ends the run before its next update. */
  halt(how: Halt): void;
  checkpoint(): Promise<Checkpoint>;
  evaluate(): Promise<Evaluation>;
  trainGate(
    config: GateConfig,
    onProgress: (progress: GateProgress) => void,
    signal: AbortSignal,
  ): Promise<Gate>;
  export(): Promise<ModelFiles>;
  /** Waits for the call in flight, then frees the GPU's memory. */
  dispose(): Promise<void>;
}

/** Why a run is to end. */
export type Halt = "paused" | "aborted";

/** A folder's files by name. */
export type ModelFiles = Record<string, Uint8Array<ArrayBuffer>>;

/** What every call on a disposed trainer throws. */
export function trainerDisposedError(): LoopLMError {
  return createError("disposed", "this trainer was disposed; create another, from a checkpoint to go on", {});
}
