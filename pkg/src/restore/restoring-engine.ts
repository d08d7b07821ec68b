import type { Engine, EngineGeneration, ForwardConfig, GenerateConfig, LoadRequest } from "../engine.js";
import { createError, DeviceLostError, disposedError, toLoopLMError, type LoopLMError } from "../errors.js";
import type {
  ChatMessage,
  ChatPromptOptions,
  ForwardResult,
  LoadProgress,
  LostDetail,
  ModelInfo,
  TokenId,
} from "../types.js";
import { RestoreBudget, USUAL, type RestoreLimits } from "./budget.js";
import { againError, finalError, lostError, mayPass } from "./errors.js";
import { Life } from "./life.js";
import { RestoringGeneration, type Host } from "./restoring-generation.js";
import { delay, orAborted } from "./waiting.js";

/** Who is told of losses. */
export interface Listener {
  lost: (detail: LostDetail) => void;
  restored: (info: ModelInfo, seconds: number) => void;
}

/** An engine whose model is loaded anew, in a new engine, when the GPU goes away. Calls wait for that and are made again. */
export class RestoringEngine implements Engine, Host {
  /** Set by whom it is made for. */
  listener: Listener | undefined;

  readonly #make: () => Engine | Promise<Engine>;
  readonly #budget: RestoreBudget;
  readonly #generations = new Set<RestoringGeneration>();
  readonly #disposing = new AbortController();
  /** The engine that is being loaded. */
  #loading: Engine | undefined;
  #life: Life | undefined;
  /** The next engine, while there is none. */
  #next: Promise<Life> = Promise.reject(createError("internal", "the model is not loaded yet", {}));
  #request!: LoadRequest;
  #info: ModelInfo | undefined;

  /** `make` makes a fresh engine. */
  constructor(make: () => Engine | Promise<Engine>, limits: RestoreLimits = USUAL) {
    this.#make = make;
    this.#budget = new RestoreBudget(limits);
    this.#next.catch(() => undefined);
  }

  async load(
    request: LoadRequest,
    onProgress: (progress: LoadProgress) => void,
    signal: AbortSignal,
  ): Promise<ModelInfo> {
    this.#request = request;
    const { life, info } = await this.#begin(onProgress, signal);
    this.#info = info;
    this.#live(life);
    return info;
  }

  tokenize(text: string, addSpecialTokens: boolean): Promise<Uint32Array> {
    return this.#call((engine) => engine.tokenize(text, addSpecialTokens));
  }

  detokenize(ids: Uint32Array, skipSpecialTokens: boolean): Promise<string> {
    return this.#call((engine) => engine.detokenize(ids, skipSpecialTokens));
  }

  tokenText(id: TokenId): Promise<string> {
    return this.#call((engine) => engine.tokenText(id));
  }

  chatPrompt(messages: readonly ChatMessage[], options: ChatPromptOptions): Promise<string> {
    return this.#call((engine) => engine.chatPrompt(messages, options));
  }

  async generate(ids: Uint32Array, config: GenerateConfig, signal: AbortSignal): Promise<EngineGeneration> {
    const generation = new RestoringGeneration(this, ids, config);
    await this.#callOn((life) => generation.begin(life, signal), signal);
    this.#generations.add(generation);
    return generation;
  }

  forward(ids: Uint32Array, config: ForwardConfig, signal: AbortSignal): Promise<ForwardResult> {
    return this.#call((engine) => engine.forward(ids, config, signal), signal);
  }

  /** Never: what is lost comes back, or the listener hears of it. */
  lost(): Promise<string> {
    return new Promise(() => undefined);
  }

  async dispose(): Promise<void> {
    this.#disposing.abort();
    await Promise.all([this.#loading?.dispose(), this.#life?.engine.dispose()]);
  }

  alive(signal?: AbortSignal): Promise<Life> {
    const stopped =
      signal === undefined ? this.#disposing.signal : AbortSignal.any([signal, this.#disposing.signal]);
    return orAborted(this.#next, stopped);
  }

  wasLoss(life: Life, thrown: unknown): boolean {
    const error = toLoopLMError(thrown);
    // A call may be the first to hear of it.
    if (error instanceof DeviceLostError) this.#lose(life, error.details.reason ?? error.message);
    return life.loss !== undefined && !this.#disposing.signal.aborted;
  }

  closed(generation: RestoringGeneration): void {
    this.#generations.delete(generation);
  }

  #call<R>(call: (engine: Engine) => Promise<R>, signal?: AbortSignal): Promise<R> {
    return this.#callOn((life) => life.run(call), signal);
  }

  /** Makes the call, and once more if the GPU goes away under it. */
  async #callOn<R>(call: (life: Life) => Promise<R>, signal?: AbortSignal): Promise<R> {
    for (let retried = false; ; retried = true) {
      const life = await this.alive(signal);
      try {
        return await call(life);
      } catch (thrown) {
        if (!this.wasLoss(life, thrown)) throw thrown;
        if (retried && life.loss !== undefined) {
          throw life.loss.restoring ? againError(life.loss.reason) : life.loss.error;
        }
      }
    }
  }

  /** A fresh engine with the model loaded. */
  async #begin(
    onProgress: (progress: LoadProgress) => void,
    signal: AbortSignal,
  ): Promise<{ life: Life; info: ModelInfo }> {
    const engine = await this.#make();
    this.#loading = engine;
    try {
      if (this.#disposing.signal.aborted) throw disposedError();
      const info = await engine.load(this.#request, onProgress, signal);
      return { life: new Life(engine), info };
    } catch (thrown) {
      // Half a model: nobody waits for it to be gone.
      engine.dispose().catch(() => undefined);
      throw thrown;
    } finally {
      this.#loading = undefined;
    }
  }

  #live(life: Life): void {
    this.#life = life;
    this.#next = Promise.resolve(life);
    life.engine.lost().then(
      (reason) => this.#lose(life, reason),
      (thrown: unknown) => {
        // A Worker that died has taken its device with it. An engine that was disposed of has lost nothing.
        const { code, message } = toLoopLMError(thrown);
        if (code !== "disposed") this.#lose(life, message);
      },
    );
  }

  #lose(life: Life, reason: string): void {
    if (this.#life !== life || this.#disposing.signal.aborted) return;
    this.#life = undefined;
    const restoring = this.#budget.left;
    const error = restoring ? lostError(reason) : finalError(reason, this.#budget);
    for (const generation of this.#generations) generation.lose(life);
    this.#next = restoring ? this.#restore(reason) : Promise.reject(error);
    this.#next.catch(() => undefined);
    const loss = { reason, restoring, error };
    life.end(loss);
    life.engine.dispose().catch(() => undefined);
    this.listener?.lost(loss);
  }

  async #restore(reason: string): Promise<Life> {
    const began = performance.now();
    const { signal } = this.#disposing;
    let cause: LoopLMError | undefined;
    for (let failed = 0; this.#budget.left && (cause === undefined || mayPass(cause)); failed++) {
      this.#budget.take();
      await delay(this.#budget.limits.pause(failed), signal);
      try {
        const { life, info } = await this.#begin(() => undefined, signal);
        if (signal.aborted) throw disposedError();
        this.#checkSame(info);
        this.#live(life);
        this.listener?.restored(info, (performance.now() - began) / 1000);
        return life;
      } catch (thrown) {
        if (signal.aborted) throw disposedError();
        cause = toLoopLMError(thrown);
      }
    }
    const error = finalError(reason, this.#budget, cause);
    this.listener?.lost({ reason, restoring: false, error });
    throw error;
  }

  /** The server may have another model at the same address by now; half an answer of each is none. */
  #checkSame({ architecture }: ModelInfo): void {
    if (JSON.stringify(architecture) === JSON.stringify(this.#info?.architecture)) return;
    const message = "there is another model at its address now";
    throw createError("checkpoint-invalid", message, { kind: "changed" });
  }
}
