import type { Call } from "../channel.js";
import type { CreateRequest, Halt, ModelFiles } from "./engine.js";
import type { Checkpoint, Evaluation, Gate, GateConfig, Preset, RunResult, TrainerInfo } from "./types.js";

/** What the page may ask of the trainer's Worker: arguments and result of every call. */
export interface TrainerCalls {
  presets: { args: { wasmUrl: string | undefined }; result: Preset[] };
  create: { args: CreateRequest; result: TrainerInfo };
  run: { args: { updates: number | null }; result: RunResult };
  halt: { args: { how: Halt }; result: undefined };
  checkpoint: { args: Record<string, never>; result: Checkpoint };
  evaluate: { args: Record<string, never>; result: Evaluation };
  /** Its progress is a `GateProgress`. */
  trainGate: { args: { config: GateConfig }; result: Gate };
  export: { args: Record<string, never>; result: ModelFiles };
  dispose: { args: Record<string, never>; result: undefined };
}

/** A call. */
export type TrainerCall = Call<TrainerCalls>;
