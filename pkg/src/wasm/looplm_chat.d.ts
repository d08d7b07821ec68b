// What the crate looplm-chat-wasm exports, by hand; see looplm.d.ts.
import type { ChatMessage, ChatPromptOptions } from "../types.js";
import type { ChatSource } from "./looplm.js";

/** Loads and starts the module. May be called again; only the first call counts. */
export default function init(input: {
  module_or_path: string | URL | Request | Response | BufferSource;
}): Promise<unknown>;

/** A conversation as the text the model is to continue. */
export function chatPrompt(
  source: ChatSource,
  messages: readonly ChatMessage[],
  options: ChatPromptOptions,
): string;
