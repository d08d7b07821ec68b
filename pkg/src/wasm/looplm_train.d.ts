// What the crate looplm-train-wasm exports, by hand; see looplm.d.ts.
import type { Evaluation, Gate, GateConfig, Preset, TrainerInfo, Update } from "../trainer/types.js";

/** Loads and starts the module. May be called again; only the first call counts. */
export default function init(input: {
  module_or_path: string | URL | Request | Response | BufferSource;
}): Promise<unknown>;

/** Everything it takes to go on with a run. */
export interface Snapshot {
  update: number;
  seconds: number;
  weights: Uint8Array<ArrayBuffer>;
  optimizer: Uint8Array<ArrayBuffer>;
}

/** One run. At most one call at a time. */
export class Trainer {
  private constructor();
  static presets(): Preset[];
  /** `config` is JSON. */
  static create(config: string, snapshot: Snapshot | undefined): Promise<Trainer>;
  info(): TrainerInfo;
  updatesDone(): number;
  /** One update. Its metrics may come with a later call. */
  update(): Promise<Update | undefined>;
  /** Waits for the GPU; the metrics that `update` has not given yet. */
  finishUpdates(): Promise<Update[]>;
  evaluate(): Promise<Evaluation>;
  snapshot(): Promise<Snapshot>;
  modelFiles(): Promise<Record<string, Uint8Array<ArrayBuffer>>>;
  /** Goes on while `onProgress` returns true. */
  trainGate(config: GateConfig, onProgress: (done: number, of: number) => boolean): Promise<Gate>;
  /** Frees the GPU's memory. */
  dispose(): void;
  /** Gives the object's memory back. Not while a call on it runs, and no call after it. */
  free(): void;
}
