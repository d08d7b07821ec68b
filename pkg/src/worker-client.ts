import { CallClient, workerNotStarted } from "./call-client.js";
import type { WorkerLike } from "./channel.js";
import type { Engine, EngineGeneration, ForwardConfig, GenerateConfig, LoadRequest } from "./engine.js";
import { disposedError } from "./errors.js";
import type { Calls } from "./protocol.js";
import { startWorkerAt, workerElsewhere } from "./start-worker.js";
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

type Client = CallClient<Calls, LoadProgress>;

/** The engine in a Worker: the page's half of the protocol. */
export class WorkerClient implements Engine {
  readonly #client: Client;
  #disposed: Promise<void> | undefined;

  constructor(worker: WorkerLike) {
    this.#client = new CallClient(worker);
  }

  load(
    request: LoadRequest,
    onProgress: (progress: LoadProgress) => void,
    signal: AbortSignal,
  ): Promise<ModelInfo> {
    return this.#client.call("load", request, signal, onProgress);
  }

  tokenize(text: string, addSpecialTokens: boolean): Promise<Uint32Array> {
    return this.#client.call("tokenize", { text, addSpecialTokens });
  }

  detokenize(ids: Uint32Array, skipSpecialTokens: boolean): Promise<string> {
    return this.#client.call("detokenize", { ids, skipSpecialTokens });
  }

  tokenText(id: TokenId): Promise<string> {
    return this.#client.call("tokenText", { id });
  }

  chatPrompt(messages: readonly ChatMessage[], options: ChatPromptOptions): Promise<string> {
    return this.#client.call("chatPrompt", { messages, options });
  }

  async generate(ids: Uint32Array, config: GenerateConfig): Promise<EngineGeneration> {
    return new WorkerGeneration(this.#client, await this.#client.call("generate", { ids, config }));
  }

  forward(ids: Uint32Array, config: ForwardConfig, signal: AbortSignal): Promise<ForwardResult> {
    return this.#client.call("forward", { ids, config }, signal);
  }

  lost(): Promise<string> {
    return this.#client.call("lost", {});
  }

  dispose(): Promise<void> {
    this.#disposed ??= this.#client.end(() => this.#client.call("dispose", {}), disposedError());
    return this.#disposed;
  }
}

class WorkerGeneration implements EngineGeneration {
  readonly #client: Client;
  readonly #generation: number;

  constructor(client: Client, generation: number) {
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

/** Starts the Worker with its script at `workerUrl`, or else beside this package's files. */
export function startWorker(workerUrl?: string): Worker {
  try {
    const url = workerUrl ?? workerElsewhere(import.meta.url);
    if (url !== undefined) return startWorkerAt(url, "looplm");
    // Bundlers look for exactly this expression.
    return new Worker(new URL("./worker.js", import.meta.url), { type: "module", name: "looplm" });
  } catch (cause) {
    throw workerNotStarted(cause);
  }
}
