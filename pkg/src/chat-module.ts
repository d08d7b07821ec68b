import { wasmLoader } from "./wasm-start.js";
import init, { chatPrompt } from "./wasm/looplm_chat.js";

/** What the engine uses of the wasm module that runs chat templates; tests give their own. */
export interface ChatModule {
  chatPrompt: typeof chatPrompt;
}

/** Loads the module that runs chat templates: a file of its own, for the pages that hold conversations. */
export const loadChatWasm = wasmLoader<ChatModule>({
  file: "looplm_chat_bg.wasm",
  // Bundlers look for exactly this expression.
  beside: () => new URL("./wasm/looplm_chat_bg.wasm", import.meta.url),
  option: "chatWasmUrl",
  init,
  module: { chatPrompt },
});
