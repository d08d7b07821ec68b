import { wasmLoader } from "../wasm-start.js";
import init, { Trainer } from "../wasm/looplm_train.js";

/** What the engine uses of the wasm module that trains; tests give their own. */
export interface TrainModule {
  Trainer: Pick<typeof Trainer, "create" | "presets">;
}

/** Loads the module that trains: a file of its own, for the pages that do. */
export const loadTrainWasm = wasmLoader<TrainModule>({
  file: "looplm_train_bg.wasm",
  // Bundlers look for exactly this expression.
  beside: () => new URL("../wasm/looplm_train_bg.wasm", import.meta.url),
  option: "wasmUrl",
  init,
  module: { Trainer },
});
