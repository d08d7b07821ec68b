import type { Converter } from "./cache/converter.js";
import { wasmLoader } from "./wasm-start.js";
import init, { Conversion, Model } from "./wasm/looplm.js";

/** What the engine uses of the wasm module that runs models; tests give their own. */
export interface WasmModule {
  Model: Pick<typeof Model, "load">;
  Conversion: Converter;
}

/** Loads the module that runs models. */
export const loadWasm = wasmLoader<WasmModule>({
  file: "looplm_bg.wasm",
  // Bundlers look for exactly this expression.
  beside: () => new URL("./wasm/looplm_bg.wasm", import.meta.url),
  option: "wasmUrl",
  init,
  module: { Model, Conversion },
});
