import type { Engine, EngineGeneration, ForwardConfig, GenerateConfig, LoadRequest } from "./engine.js";
import {
  abortedError,
  createError,
  disposedError,
  errorFromPlain,
  toLoopLMError,
  type LoopLMError,
} from "./errors.js";
import type { CallName, Calls, Port, Reply, Request } from "./protocol.js";
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

/** What the client needs of a Worker; tests put a MessageChannel there. */
export interface WorkerLike extends Port {
  addEventListener(type: "message", listener: (event: MessageEvent) => void): void;
  addEventListener(type: "error", listener: (event: ErrorEvent) => void): void;
  addEventListener(type: "messageerror", listener: (event: MessageEvent) => void): void;
  terminate(): void;
}

interface PendingCall {
  resolve: (value: never) => void;
  reject: (error: LoopLMError) => void;
  onProgress: ((progress: LoadProgress) => void) | undefined;
}

/** How long a Worker may take to dispose of its model before it is ended anyway, in milliseconds. */
const DISPOSE_PATIENCE = 10_000;

/** The engine in a Worker: the page's half of the protocol. */
export class WorkerClient implements Engine {
  readonly #worker: WorkerLike;
  readonly #pending = new Map<number, PendingCall>();
  #nextId = 1;
  #ended: LoopLMError | undefined;
  #disposed: Promise<void> | undefined;

  constructor(worker: WorkerLike = startWorker()) {
    this.#worker = worker;
    worker.addEventListener("message", (event: MessageEvent<Reply>) => this.#receive(event.data));
    worker.addEventListener("error", (event) => {
      // Without a message it is the script itself that could not be loaded.
      const why = event.message
        ? `the Worker failed: ${event.message}`
        : "the Worker's script could not be loaded; serve the package's worker.js from the page's own origin, or pass worker: false";
      this.#end(createError("internal", why, { where: "worker" }));
    });
    worker.addEventListener("messageerror", () => {
      this.#end(createError("internal", "a message of the Worker could not be read", { where: "worker" }));
    });
  }

  async load(
    request: LoadRequest,
    onProgress: (progress: LoadProgress) => void,
    signal: AbortSignal,
  ): Promise<ModelInfo> {
    return this.call("load", request, signal, onProgress);
  }

  tokenize(text: string, addSpecialTokens: boolean): Promise<Uint32Array> {
    return this.call("tokenize", { text, addSpecialTokens });
  }

  detokenize(ids: Uint32Array, skipSpecialTokens: boolean): Promise<string> {
    return this.call("detokenize", { ids, skipSpecialTokens });
  }

  tokenText(id: TokenId): Promise<string> {
    return this.call("tokenText", { id });
  }

  chatPrompt(messages: readonly ChatMessage[], options: ChatPromptOptions): Promise<string> {
    return this.call("chatPrompt", { messages, options });
  }

  async generate(ids: Uint32Array, config: GenerateConfig): Promise<EngineGeneration> {
    return new WorkerGeneration(this, await this.call("generate", { ids, config }));
  }

  forward(ids: Uint32Array, config: ForwardConfig, signal: AbortSignal): Promise<ForwardResult> {
    return this.call("forward", { ids, config }, signal);
  }

  dispose(): Promise<void> {
    this.#disposed ??= (async () => {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const patience = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, DISPOSE_PATIENCE);
      });
      // Ending the Worker frees its GPU device whatever happened before, so an error here is of no use to anyone.
      const asked = this.#ended === undefined ? this.call("dispose", {}).catch(() => undefined) : undefined;
      await Promise.race([asked, patience]);
      clearTimeout(timer);
      this.#end(disposedError());
    })();
    return this.#disposed;
  }

  /** One call, answered by the Worker. The signal asks it to stop early; its answer still comes. */
  call<N extends CallName>(
    name: N,
    args: Calls[N]["args"],
    signal?: AbortSignal,
    onProgress?: (progress: LoadProgress) => void,
  ): Promise<Calls[N]["result"]> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    // A message after the call would come too late: the Worker has begun by then.
    if (signal?.aborted) return Promise.reject(abortedError(name));
    const id = this.#nextId++;
    const abort = (): void => this.#post({ type: "abort", id });
    const answer = new Promise<Calls[N]["result"]>((resolve, reject) => {
      this.#pending.set(id, { resolve, reject, onProgress });
    });
    try {
      // The name and its arguments belong together by this method's own type.
      this.#post({ type: "call", id, name, args } as Request);
    } catch (thrown) {
      // Something in the arguments cannot be cloned.
      this.#pending.get(id)?.reject(toLoopLMError(thrown));
      this.#pending.delete(id);
      return answer;
    }
    signal?.addEventListener("abort", abort);
    return answer.finally(() => signal?.removeEventListener("abort", abort));
  }

  #receive(reply: Reply): void {
    const call = this.#pending.get(reply.id);
    if (call === undefined) return;
    switch (reply.type) {
      case "progress":
        call.onProgress?.(reply.progress);
        return;
      case "result":
        call.resolve(reply.value as never);
        break;
      case "error":
        call.reject(errorFromPlain(reply.error));
        break;
    }
    this.#pending.delete(reply.id);
  }

  #post(request: Request): void {
    this.#worker.postMessage(request, []);
  }

  /** After this every call, open or new, rejects with `error`. */
  #end(error: LoopLMError): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    this.#worker.terminate();
    for (const call of this.#pending.values()) call.reject(error);
    this.#pending.clear();
  }
}

class WorkerGeneration implements EngineGeneration {
  readonly #client: WorkerClient;
  readonly #generation: number;

  constructor(client: WorkerClient, generation: number) {
    this.#client = client;
    this.#generation = generation;
  }

  next(signal: AbortSignal): Promise<GeneratedToken | undefined> {
    return this.#client.call("next", { generation: this.#generation }, signal);
  }

  finish(): Promise<Finish> {
    return this.#client.call("finish", { generation: this.#generation });
  }

  async close(): Promise<void> {
    await this.#client.call("close", { generation: this.#generation });
  }
}

function startWorker(): Worker {
  try {
    // Bundlers look for exactly this expression.
    return new Worker(new URL("./worker.js", import.meta.url), { type: "module", name: "looplm" });
  } catch (cause) {
    const message = `the Worker could not be started: ${String(cause)}. Serve the package from the page's own origin, or pass worker: false`;
    throw createError("internal", message, { where: "worker" }, { cause });
  }
}
