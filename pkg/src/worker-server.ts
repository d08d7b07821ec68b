import { serveCalls } from "./call-server.js";
import type { Port } from "./channel.js";
import type { Engine, EngineGeneration } from "./engine.js";
import { createError } from "./errors.js";
import type { Calls, EngineCall } from "./protocol.js";
import type { LoadProgress } from "./types.js";

/** Answers the calls that come through a port with an engine. The Worker's half of the protocol. */
export class WorkerServer {
  readonly #engine: Engine;
  readonly #generations = new Map<number, EngineGeneration>();
  #nextGeneration = 1;

  constructor(port: Port, engine: Engine) {
    this.#engine = engine;
    serveCalls<Calls, LoadProgress>(port, (call, signal, onProgress) => this.#call(call, signal, onProgress));
  }

  #call(
    request: EngineCall,
    signal: AbortSignal,
    onProgress: (progress: LoadProgress) => void,
  ): Promise<Calls[keyof Calls]["result"]> {
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
        return this.#generate(request.args, signal);
      case "next":
        return this.#generation(request.args.generation).then((generation) => generation.next(signal));
      case "finish":
        return this.#generation(request.args.generation).then((generation) => generation.finish());
      case "close":
        return this.#close(request.args.generation);
      case "forward":
        return engine.forward(request.args.ids, request.args.config, signal);
      case "lost":
        return engine.lost();
      case "dispose":
        return engine.dispose().then(() => undefined);
    }
  }

  async #generate({ ids, config }: Calls["generate"]["args"], signal: AbortSignal): Promise<number> {
    const generation = await this.#engine.generate(ids, config, signal);
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
}
