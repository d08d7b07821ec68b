import type { Engine, EngineGeneration } from "./engine.js";
import { createError, errorToPlain } from "./errors.js";
import type { CallName, Calls, Port, Reply, Request } from "./protocol.js";
import type { LoadProgress } from "./types.js";

/** Answers the calls that come through a port with an engine. The Worker's half of the protocol. */
export class WorkerServer {
  readonly #port: Port;
  readonly #engine: Engine;
  readonly #aborts = new Map<number, AbortController>();
  readonly #generations = new Map<number, EngineGeneration>();
  #nextGeneration = 1;

  constructor(port: Port, engine: Engine) {
    this.#port = port;
    this.#engine = engine;
    port.addEventListener("message", (event: MessageEvent<Request>) => {
      const request = event.data;
      if (request.type === "abort") this.#aborts.get(request.id)?.abort();
      else void this.#answer(request);
    });
  }

  async #answer(request: Exclude<Request, { type: "abort" }>): Promise<void> {
    const { id } = request;
    const abort = new AbortController();
    this.#aborts.set(id, abort);
    const onProgress = (progress: LoadProgress): void => this.#post({ type: "progress", id, progress });
    try {
      const value = await this.#call(request, abort.signal, onProgress);
      this.#post({ type: "result", id, value }, transferables(value));
    } catch (thrown) {
      this.#post({ type: "error", id, error: errorToPlain(thrown) });
    } finally {
      this.#aborts.delete(id);
    }
  }

  #call(
    request: Exclude<Request, { type: "abort" }>,
    signal: AbortSignal,
    onProgress: (progress: LoadProgress) => void,
  ): Promise<Calls[CallName]["result"]> {
    const engine = this.#engine;
    switch (request.name) {
      case "load":
        return engine.load(request.args, onProgress, signal);
      case "tokenize":
        return engine.tokenize(request.args.text, request.args.addSpecialTokens);
      case "detokenize":
        return engine.detokenize(request.args.ids, request.args.skipSpecialTokens);
      case "tokenText":
        return engine.tokenText(request.args.id);
      case "chatPrompt":
        return engine.chatPrompt(request.args.messages, request.args.options);
      case "generate":
        return this.#generate(request.args);
      case "next":
        return this.#generation(request.args.generation).then((generation) => generation.next(signal));
      case "finish":
        return this.#generation(request.args.generation).then((generation) => generation.finish());
      case "close":
        return this.#close(request.args.generation);
      case "forward":
        return engine.forward(request.args.ids, request.args.config, signal);
      case "dispose":
        return engine.dispose().then(() => undefined);
    }
  }

  async #generate({ ids, config }: Calls["generate"]["args"]): Promise<number> {
    const generation = await this.#engine.generate(ids, config);
    const name = this.#nextGeneration++;
    this.#generations.set(name, generation);
    return name;
  }

  async #close(name: number): Promise<undefined> {
    const generation = this.#generations.get(name);
    this.#generations.delete(name);
    await generation?.close();
  }

  async #generation(name: number): Promise<EngineGeneration> {
    const generation = this.#generations.get(name);
    if (generation === undefined) {
      throw createError("internal", `generation ${name} is closed`, { where: "worker" });
    }
    return generation;
  }

  #post(reply: Reply, transfer: Transferable[] = []): void {
    this.#port.postMessage(reply, transfer);
  }
}

/** The buffers of a result's large arrays: moved to the page instead of copied. */
function transferables(value: Calls[CallName]["result"]): Transferable[] {
  if (value === undefined || typeof value !== "object") return [];
  const arrays = ArrayBuffer.isView(value) ? [value] : Object.values(value).filter(ArrayBuffer.isView);
  const buffers = arrays
    // A view of part of a buffer (of wasm's memory, say) must be copied: moving takes the whole buffer.
    .filter((array) => array.byteLength === array.buffer.byteLength && array.byteLength > 0)
    .map((array) => array.buffer)
    .filter((buffer) => buffer instanceof ArrayBuffer);
  return [...new Set(buffers)];
}
