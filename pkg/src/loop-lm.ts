import { asyncDispose } from "./async-dispose.js";
import { askingToPersist } from "./cache/persist.js";
import { browserStorage, ModelStore } from "./cache/store.js";
import type { Engine, EngineGeneration, LoadRequest } from "./engine.js";
import { abortedError, disposedError, toLoopLMError, wrap, type LoopLMError } from "./errors.js";
import {
  chatConfig,
  chatMessages,
  chatPromptConfig,
  evictOptions,
  evictSource,
  forwardConfig,
  generateConfig,
  loadConfig,
  promptIds,
  requestHeaders,
  text,
  tokenIds,
} from "./options.js";
import { LoopLMEvents } from "./model-events.js";
import { NEVER, USUAL, type RestoreLimits } from "./restore/budget.js";
import { RestoringEngine } from "./restore/restoring-engine.js";
import { orAborted } from "./restore/waiting.js";
import { absoluteUrl, cacheAddress, describeSource } from "./source.js";
import { TokenStream } from "./token-stream.js";
import type {
  CachedModel,
  ChatMessage,
  ChatOptions,
  ChatPromptOptions,
  EvictOptions,
  ForwardOptions,
  ForwardResult,
  GenerateOptions,
  LoadOptions,
  LoadProgress,
  ModelInfo,
  ModelSource,
  Prompt,
  TokenId,
} from "./types.js";
import { startWorker, WorkerClient } from "./worker-client.js";
import { requireWebGPU } from "./webgpu.js";

type Start = (signal: AbortSignal) => Promise<EngineGeneration>;

/**
 * A looped language model on the GPU.
 *
 * ```ts
 * const model = await LoopLM.load("/models/shell-game/");
 * for await (const token of model.generate("swap12 left", { maxNewTokens: 8 })) console.log(token.text, token.exitStep);
 * await model.dispose();
 * ```
 *
 * Calls may overlap: generations at once share the passes over the weights, and each gives what it would give alone. One
 * for which the KV cache has no room yet waits for others to end.
 *
 * When the GPU goes away, it says so (event `"lost"`), loads itself anew from where it came, and goes on (`"restored"`):
 * calls wait meanwhile, and generations continue with the text they would have had.
 */
export class LoopLM extends LoopLMEvents implements AsyncDisposable {
  readonly #engine: Engine;
  readonly #life = new AbortController();
  #disposed: Promise<void> | undefined;

  #info: ModelInfo;

  private constructor(engine: RestoringEngine, info: ModelInfo) {
    super();
    this.#engine = engine;
    this.#info = info;
    engine.listener = {
      lost: (detail) => this.tell("lost", detail),
      restored: (restored, seconds) => {
        this.#info = restored;
        this.tell("restored", { seconds });
      },
    };
  }

  /** Shape, memory, tokenizer and GPU. A model that was restored may be on another GPU; all else stays as it is. */
  get info(): ModelInfo {
    return this.#info;
  }

  /**
   * Loads a model from a folder as Hugging Face lays it out, by address or as its Files (of a folder dropped on the page
   * or chosen with `<input type="file" webkitdirectory>`). Rejects with a `LoopLMError`: `webgpu-unavailable`,
   * `adapter-too-small`, `out-of-memory`, `checkpoint-invalid`, `tokenizer-invalid`, `network`, `aborted`, ...
   */
  static async load(source: ModelSource, options: LoadOptions = {}): Promise<LoopLM> {
    const config = loadConfig(options);
    const described = describeSource(source);
    const { cache = described.kind === "url" } = options;
    const request: LoadRequest = { source: described, config, cache };
    for (const name of ["wasmUrl", "chatWasmUrl"] as const) {
      const url = options[name];
      if (url !== undefined) request[name] = absoluteUrl(url, name);
    }
    if (options.headers !== undefined) request.headers = requestHeaders(options.headers, "headers");
    const { signal, worker = true, workerUrl, restore = true } = options;
    const script = workerUrl === undefined ? undefined : absoluteUrl(workerUrl, "workerUrl");
    throwIfAborted(signal);
    requireWebGPU();
    const make = worker ? () => new WorkerClient(startWorker(script)) : directEngine;
    const onProgress = askingToPersist(options.onProgress);
    return LoopLM.loadInto(make, request, onProgress, signal, restore ? USUAL : NEVER);
  }

  /** The models that this browser keeps for this origin, whole or in part, last used first. */
  static async cached(): Promise<CachedModel[]> {
    const storage = await browserStorage();
    return storage === undefined ? [] : wrap(() => new ModelStore(storage).list());
  }

  /**
   * Removes a model from the cache, given as to `load`; without any argument, every model. Resolves to the bytes that became
   * free. A model that is being loaded, in whatever tab, stays, and makes it throw `busy`; one that has been loaded is on
   * the GPU.
   */
  static async evict(...given: [] | [source: string | URL, options?: EvictOptions]): Promise<number> {
    const [source, options = {}] = given;
    const { format } = evictOptions(options);
    // A variable that nobody has set is no wish to lose everything.
    const address = given.length === 0 ? undefined : cacheAddress(evictSource(source));
    const storage = await browserStorage();
    return storage === undefined ? 0 : wrap(() => new ModelStore(storage).evict(address, format));
  }

  /**
   * Loads with engines of one's own: tests do.
   * @internal
   */
  static async loadInto(
    make: () => Engine | Promise<Engine>,
    request: LoadRequest,
    onProgress?: (progress: LoadProgress) => void,
    signal: AbortSignal = new AbortController().signal,
    limits: RestoreLimits = USUAL,
  ): Promise<LoopLM> {
    const engine = new RestoringEngine(make, limits);
    const report = (progress: LoadProgress): void => {
      try {
        onProgress?.(progress);
      } catch (error) {
        // The caller's mistake, to be seen; the loading is none the worse for it.
        reportError(error);
      }
    };
    try {
      throwIfAborted(signal);
      return new LoopLM(engine, await orAborted(engine.load(request, report, signal), signal, "loading"));
    } catch (thrown) {
      // Half a model: not waited for, the caller wants to know now.
      engine.dispose().catch(() => undefined);
      throw signal.aborted ? abortedError("loading") : toLoopLMError(thrown);
    }
  }

  /**
   * Continues a prompt, token by token. Wrong options throw at once; the work begins with the first token asked for, and
   * the iteration throws what goes wrong then (`context-full`, `aborted`, `device-lost`, `disposed`, ...). The text is that
   * of full depth unless `exit`, `minSteps`, `maxSteps` or `kv` asks for less and `verify` does not make up for it.
   */
  generate(prompt: Prompt, options: GenerateOptions = {}): TokenStream {
    const config = generateConfig(options, this.info);
    const ids = this.#prompt(prompt);
    const start: Start = async (signal) => this.#engine.generate(await ids(signal), config, signal);
    return this.#stream(start, options.signal);
  }

  /** Answers a conversation, token by token, with the model's chat template. Otherwise as `generate`. */
  chat(messages: readonly ChatMessage[], options: ChatOptions = {}): TokenStream {
    const { generate, prompt } = chatConfig(options, this.info);
    const checked = chatMessages(messages);
    // The template writes the special tokens.
    const ids = async (): Promise<Uint32Array> =>
      this.#engine.tokenize(await this.#engine.chatPrompt(checked, prompt), false);
    const start: Start = async (signal) =>
      this.#engine.generate(await orAborted(ids(), signal), generate, signal);
    return this.#stream(start, options.signal);
  }

  /** Every step at every position of the input, in one go. */
  async forward(prompt: Prompt, options: ForwardOptions = {}): Promise<ForwardResult> {
    const config = forwardConfig(options);
    const ids = this.#prompt(prompt);
    return this.#call(
      async (signal) => this.#engine.forward(await ids(signal), config, signal),
      options.signal,
    );
  }

  /** A text's tokens, with the special tokens a prompt begins with unless told otherwise. */
  async tokenize(input: string, options: { addSpecialTokens?: boolean } = {}): Promise<Uint32Array> {
    const checked = text(input, "text");
    return this.#call(() => this.#engine.tokenize(checked, options.addSpecialTokens ?? true));
  }

  /** The text of tokens, without special tokens unless told otherwise. */
  async detokenize(
    ids: Uint32Array | readonly TokenId[],
    options: { skipSpecialTokens?: boolean } = {},
  ): Promise<string> {
    const checked = tokenIds(ids, "ids", this.info.architecture.vocabSize);
    return this.#call(() => this.#engine.detokenize(checked, options.skipSpecialTokens ?? true));
  }

  /** One token as a person would read it. */
  async tokenText(id: TokenId): Promise<string> {
    const [checked = 0] = tokenIds([id], "id", this.info.architecture.vocabSize);
    return this.#call(() => this.#engine.tokenText(checked));
  }

  /** A conversation as the model's chat template writes it. */
  async chatPrompt(messages: readonly ChatMessage[], options: ChatPromptOptions = {}): Promise<string> {
    const checked = chatMessages(messages);
    const config = chatPromptConfig(options);
    return this.#call(() => this.#engine.chatPrompt(checked, config));
  }

  /** Stops what runs (it rejects with `disposed`) and frees the GPU's memory. May be called again. */
  dispose(): Promise<void> {
    this.#disposed ??= (async () => {
      this.#life.abort();
      await this.#engine.dispose();
    })();
    return this.#disposed;
  }

  /** `dispose`, for `await using`. */
  [asyncDispose](): Promise<void> {
    return this.dispose();
  }

  /** The prompt's ids: checked now, tokenized when needed. */
  #prompt(prompt: Prompt): (signal: AbortSignal) => Promise<Uint32Array> {
    if (typeof prompt === "string") return (signal) => orAborted(this.#engine.tokenize(prompt, true), signal);
    const ids = promptIds(prompt, this.info.architecture.vocabSize);
    return () => Promise.resolve(ids);
  }

  #stream(start: Start, signal: AbortSignal | undefined): TokenStream {
    const failure = (thrown: unknown): LoopLMError => this.#failure(thrown, signal, "generation");
    return new TokenStream(start, this.#stopped(signal), failure);
  }

  async #call<R>(run: (signal: AbortSignal) => Promise<R>, signal?: AbortSignal): Promise<R> {
    const stopped = this.#stopped(signal);
    try {
      stopped.throwIfAborted();
      return await run(stopped);
    } catch (thrown) {
      throw this.#failure(thrown, signal, "the call");
    }
  }

  /** Fires with the caller's signal, or when the model is disposed. */
  #stopped(signal: AbortSignal | undefined): AbortSignal {
    return signal === undefined ? this.#life.signal : AbortSignal.any([this.#life.signal, signal]);
  }

  #failure(thrown: unknown, signal: AbortSignal | undefined, what: string): LoopLMError {
    if (this.#life.signal.aborted) return disposedError();
    if (signal?.aborted) return abortedError(what);
    return toLoopLMError(thrown);
  }
}

/** Imported only when asked for: with a Worker the page needs none of the wasm's code. */
async function directEngine(): Promise<Engine> {
  const { DirectEngine } = await import("./direct-engine.js");
  return new DirectEngine();
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortedError("loading");
}
