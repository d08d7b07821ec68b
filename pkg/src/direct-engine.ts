import { loadChatWasm, type ChatModule } from "./chat-module.js";
import type { Engine, EngineGeneration, ForwardConfig, GenerateConfig, LoadRequest } from "./engine.js";
import { abortedError, createError, disposedError, wrap } from "./errors.js";
import { loadModel, type Keeping } from "./load-model.js";
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
import { loadWasm, type WasmModule } from "./wasm-module.js";
import type { Generation, Model } from "./wasm/looplm.js";
import { requireAdapter } from "./webgpu.js";

/** What the engine needs of its surroundings; tests give their own. */
export interface Surroundings {
  requireAdapter: () => Promise<void>;
  loadWasm: (wasmUrl?: string) => Promise<WasmModule>;
  loadChatWasm: (wasmUrl?: string) => Promise<ChatModule>;
  /** Default: the browser's. */
  keeping?: Keeping;
}

/** The engine in this thread. */
export class DirectEngine implements Engine {
  readonly #surroundings: Surroundings;
  readonly #inFlight = new Set<Promise<unknown>>();
  readonly #generations = new Set<DirectGeneration>();
  #model: Model | undefined;
  #chatWasmUrl: string | undefined;
  #disposed: Promise<void> | undefined;

  constructor(surroundings: Surroundings = { requireAdapter, loadWasm, loadChatWasm }) {
    this.#surroundings = surroundings;
  }

  async load(
    request: LoadRequest,
    onProgress: (progress: LoadProgress) => void,
    signal: AbortSignal,
  ): Promise<ModelInfo> {
    this.#chatWasmUrl = request.chatWasmUrl;
    // Before the wasm is fetched: without a GPU it is of no use.
    await this.#surroundings.requireAdapter();
    const wasm = await this.#surroundings.loadWasm(request.wasmUrl);
    if (signal.aborted) throw abortedError("loading");
    const { model, warnings } = await wrap(() =>
      loadModel(request, wasm, onProgress, signal, this.#surroundings.keeping),
    );
    if (this.#disposed !== undefined) {
      // Given up while it loaded: nobody else will free it.
      await release(model);
      throw disposedError();
    }
    this.#model = model;
    const info = await wrap(() => model.info());
    return { ...info, warnings: [...info.warnings, ...warnings] };
  }

  tokenize(text: string, addSpecialTokens: boolean): Promise<Uint32Array> {
    return this.#call((model) => model.tokenize(text, addSpecialTokens));
  }

  detokenize(ids: Uint32Array, skipSpecialTokens: boolean): Promise<string> {
    return this.#call((model) => model.detokenize(ids, skipSpecialTokens));
  }

  tokenText(id: TokenId): Promise<string> {
    return this.#call((model) => model.tokenText(id));
  }

  chatPrompt(messages: readonly ChatMessage[], options: ChatPromptOptions): Promise<string> {
    return this.#call(async (model) => {
      const source = model.chatSource();
      const chat = await this.#surroundings.loadChatWasm(this.#chatWasmUrl);
      return chat.chatPrompt(source, messages, options);
    });
  }

  async generate(ids: Uint32Array, config: GenerateConfig): Promise<EngineGeneration> {
    const generation = await this.#call((model) => model.generate(ids, config));
    const direct = new DirectGeneration(generation, () => this.#generations.delete(direct));
    this.#generations.add(direct);
    return direct;
  }

  forward(ids: Uint32Array, config: ForwardConfig, signal: AbortSignal): Promise<ForwardResult> {
    return this.#call((model) => model.forward(ids, config, signal));
  }

  async lost(): Promise<string> {
    const model = this.#model;
    if (model === undefined || this.#disposed !== undefined) throw disposedError();
    // No call that `dispose` should wait for.
    const reason = await model.lost();
    if (this.#disposed !== undefined) throw disposedError();
    return reason;
  }

  dispose(): Promise<void> {
    this.#disposed ??= (async () => {
      // The wasm side must not lose its model under a running call.
      await Promise.allSettled(this.#inFlight);
      await Promise.all([...this.#generations].map((generation) => generation.close()));
      if (this.#model !== undefined) await release(this.#model);
    })();
    return this.#disposed;
  }

  #call<R>(call: (model: Model) => R | Promise<R>): Promise<R> {
    const model = this.#model;
    if (this.#disposed !== undefined) return Promise.reject(disposedError());
    if (model === undefined) {
      return Promise.reject(createError("internal", "the model is not loaded yet", { where: "engine" }));
    }
    const result = wrap(() => call(model));
    this.#inFlight.add(result);
    const settled = (): void => void this.#inFlight.delete(result);
    result.then(settled, settled);
    return result;
  }
}

/** Frees a model on the GPU and in the wasm's memory. Nothing may be called on it afterwards. */
function release(model: Model): Promise<void> {
  return wrap(async () => {
    try {
      await model.dispose();
    } finally {
      model.free();
    }
  });
}

/** Keeps calls on the wasm object apart: while one runs it is borrowed, and another would be an error there. */
class DirectGeneration implements EngineGeneration {
  readonly #generation: Generation;
  readonly #onClose: () => void;
  readonly #closing = new AbortController();
  #last: Promise<unknown> = Promise.resolve();
  #closed: Promise<void> | undefined;
  #freed = false;

  constructor(generation: Generation, onClose: () => void) {
    this.#generation = generation;
    this.#onClose = onClose;
  }

  next(signal: AbortSignal): Promise<GeneratedToken | undefined> {
    const either = AbortSignal.any([signal, this.#closing.signal]);
    return this.#enqueue((generation) => generation.next(either));
  }

  finish(): Promise<Finish> {
    return this.#enqueue((generation) => generation.finish());
  }

  close(): Promise<void> {
    if (this.#closed === undefined) {
      this.#closing.abort();
      this.#closed = this.#enqueue((generation) => {
        this.#freed = true;
        try {
          generation.close();
        } finally {
          generation.free();
        }
      });
      this.#onClose();
    }
    return this.#closed;
  }

  /** Runs when every call before it has returned; once the object is freed there is none to call. */
  #enqueue<R>(call: (generation: Generation) => R | Promise<R>): Promise<R> {
    const result = this.#last.then(() =>
      wrap(() => {
        if (this.#freed) throw disposedError();
        return call(this.#generation);
      }),
    );
    this.#last = result.catch(() => undefined);
    return result;
  }
}
