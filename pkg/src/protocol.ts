import type { ForwardConfig, GenerateConfig, LoadRequest } from "./engine.js";
import type { PlainError } from "./errors.js";
import type {
  ChatMessage,
  ChatPromptOptions,
  Finish,
  ForwardResult,
  GeneratedToken,
  LoadProgress,
  ModelInfo,
  TokenId,
} from "./types.js";

/** What the page may ask of the Worker: arguments and result of every call. */
export interface Calls {
  load: { args: LoadRequest; result: ModelInfo };
  tokenize: { args: { text: string; addSpecialTokens: boolean }; result: Uint32Array };
  detokenize: { args: { ids: Uint32Array; skipSpecialTokens: boolean }; result: string };
  tokenText: { args: { id: TokenId }; result: string };
  chatPrompt: { args: { messages: readonly ChatMessage[]; options: ChatPromptOptions }; result: string };
  /** The result names the generation in the three calls below. */
  generate: { args: { ids: Uint32Array; config: GenerateConfig }; result: number };
  next: { args: { generation: number }; result: GeneratedToken | undefined };
  finish: { args: { generation: number }; result: Finish };
  close: { args: { generation: number }; result: undefined };
  forward: { args: { ids: Uint32Array; config: ForwardConfig }; result: ForwardResult };
  dispose: { args: Record<string, never>; result: undefined };
}

/** A call's name. */
export type CallName = keyof Calls;

/** Page to Worker. `id` is the caller's; every call is answered once, by `result` or `error`. */
export type Request =
  | { [N in CallName]: { type: "call"; id: number; name: N; args: Calls[N]["args"] } }[CallName]
  /** The signal of call `id` fired. The call still gets its answer. */
  | { type: "abort"; id: number };

/** Worker to page. */
export type Reply =
  | { type: "result"; id: number; value: Calls[CallName]["result"] }
  | { type: "error"; id: number; error: PlainError }
  /** While `load` runs. */
  | { type: "progress"; id: number; progress: LoadProgress };

/** The end of a channel: a Worker, a Worker's own scope, or a MessagePort. */
export interface Port {
  postMessage(message: unknown, transfer: Transferable[]): void;
  addEventListener(type: "message", listener: (event: MessageEvent) => void): void;
}
