import type { Call, Reply, Request } from "./channel.js";
import type { ForwardConfig, GenerateConfig, LoadRequest } from "./engine.js";
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
  /** Answered when the GPU goes away. */
  lost: { args: Record<string, never>; result: string };
  dispose: { args: Record<string, never>; result: undefined };
}

/** A call. */
export type EngineCall = Call<Calls>;

/** Page to Worker. */
export type EngineRequest = Request<Calls>;

/** Worker to page. Progress is of `load`. */
export type EngineReply = Reply<Calls, LoadProgress>;
