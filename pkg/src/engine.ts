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
import type { ForwardConfig, GenerateConfig, LoadConfig } from "./wasm/looplm.js";

export type { ForwardConfig, GenerateConfig, LoadConfig };

/** Where a model's files are, in a form that can cross to a Worker (a File loses its folder's name on the way). */
export type SourceDescription =
  { kind: "url"; url: string } | { kind: "files"; files: { path: string; file: File }[] };

/** What an engine needs to load a model. */
export interface LoadRequest {
  source: SourceDescription;
  config: LoadConfig;
  /** Whether to keep the model, converted, in this browser. */
  cache: boolean;
  /** What every request for the model's files carries. */
  headers?: Record<string, string>;
  /** Absolute. Default: beside this package's files. */
  wasmUrl?: string;
  /** The same of the module that runs chat templates. */
  chatWasmUrl?: string;
}

/** One model on one GPU, in this thread or in a Worker: `LoopLM` does not know which. Everything throws `LoopLMError`. */
export interface Engine {
  /** Called once, first. */
  load(
    request: LoadRequest,
    onProgress: (progress: LoadProgress) => void,
    signal: AbortSignal,
  ): Promise<ModelInfo>;
  tokenize(text: string, addSpecialTokens: boolean): Promise<Uint32Array>;
  detokenize(ids: Uint32Array, skipSpecialTokens: boolean): Promise<string>;
  tokenText(id: TokenId): Promise<string>;
  chatPrompt(messages: readonly ChatMessage[], options: ChatPromptOptions): Promise<string>;
  /** The signal ends the waiting for an engine that can begin, where there is such waiting. */
  generate(ids: Uint32Array, config: GenerateConfig, signal: AbortSignal): Promise<EngineGeneration>;
  forward(ids: Uint32Array, config: ForwardConfig, signal: AbortSignal): Promise<ForwardResult>;
  /** Resolves to the reason when the GPU goes away from under a loaded model. One that is disposed has nothing to lose. */
  lost(): Promise<string>;
  /** Waits for calls in flight (abort them first), then frees the GPU's memory. */
  dispose(): Promise<void>;
}

/** One sequence being generated. Calls are made one after the other; `close` ends it at any time, also twice. */
export interface EngineGeneration {
  /** The next token; undefined at the end. */
  next(signal: AbortSignal): Promise<GeneratedToken | undefined>;
  /** How it ended, or how far it came. Not after `close`. */
  finish(): Promise<Finish>;
  /** Frees the sequence's memory. */
  close(): Promise<void>;
}
