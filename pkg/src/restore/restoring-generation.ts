import type { EngineGeneration, GenerateConfig } from "../engine.js";
import { createError } from "../errors.js";
import type { Finish, GeneratedToken, TokenId } from "../types.js";
import { stoppedBetween, sumOf } from "./finish-sum.js";
import type { Life } from "./life.js";

/** What a generation needs of the engine it belongs to. */
export interface Host {
  /** The engine as soon as there is one; rejects when there will be none, or when the signal fires. */
  alive: (signal?: AbortSignal) => Promise<Life>;
  /** Tells of a call's failure; whether it was the GPU going away. */
  wasLoss: (life: Life, thrown: unknown) => boolean;
  /** The generation needs to hear of losses no longer. */
  closed: (generation: RestoringGeneration) => void;
}

/** The generation of one engine. */
interface Part {
  life: Life;
  generation: EngineGeneration;
  /** Tokens that it will give again. */
  again: number;
}

/** One sequence, begun again in the next engine wherever the GPU of one goes away. */
export class RestoringGeneration implements EngineGeneration {
  readonly #host: Host;
  readonly #prompt: Uint32Array;
  readonly #config: GenerateConfig;
  readonly #tokens: TokenId[] = [];
  #part: Part | undefined;
  /** Figures of the parts that are over; of one whose engine could not say any more, undefined. */
  readonly #over: Promise<Finish | undefined>[] = [];

  constructor(host: Host, prompt: Uint32Array, config: GenerateConfig) {
    this.#host = host;
    this.#prompt = prompt;
    // The draws depend on the seed and on the position: with the same seed the parts make one text.
    this.#config = { seed: Math.floor(Math.random() * 2 ** 53), ...config };
  }

  /** Begins in the engine that there is. */
  async begin(life: Life, signal: AbortSignal): Promise<void> {
    const answered = this.#tokens.length;
    // With another policy than "full" a token of the answer leaves other keys and values than one of the prompt does, so
    // the answer is made again from its beginning. It is the same one.
    const again = this.#config.kv === undefined || this.#config.kv === "full" ? 0 : answered;
    const resumed = answered > 0 && again === 0;
    const ids = resumed ? Uint32Array.of(...this.#prompt, ...this.#tokens) : this.#prompt;
    const config = resumed ? { ...this.#config, answered } : this.#config;
    const generation = await life.run((engine) => engine.generate(ids, config, signal));
    this.#part = { life, generation, again };
  }

  /** The engine is about to be put away: the last moment to ask it for figures. */
  lose(life: Life): void {
    if (this.#part?.life !== life) return;
    this.#over.push(this.#part.generation.finish().catch(() => undefined));
    this.#part = undefined;
  }

  async next(signal: AbortSignal): Promise<GeneratedToken | undefined> {
    for (;;) {
      const life = this.#part?.life ?? (await this.#host.alive(signal));
      try {
        if (this.#part === undefined) await this.begin(life, signal);
        return await this.#token(signal);
      } catch (thrown) {
        if (!this.#host.wasLoss(life, thrown)) throw thrown;
      }
    }
  }

  async finish(): Promise<Finish> {
    const part = this.#part;
    const earlier = [...this.#over];
    try {
      if (part !== undefined) return sumOf(await known(earlier), await part.generation.finish());
    } catch (thrown) {
      if (part?.life.loss === undefined) throw thrown;
    }
    const over = await known(this.#over);
    const last = over.pop() ?? stoppedBetween(this.#prompt.length, 0);
    return sumOf(over, { ...last, newTokens: Math.max(last.newTokens, this.#tokens.length) });
  }

  async close(): Promise<void> {
    this.#host.closed(this);
    await this.#part?.generation.close();
  }

  async #token(signal: AbortSignal): Promise<GeneratedToken | undefined> {
    for (;;) {
      const part = this.#part;
      // Lost between two calls; `next` begins again.
      if (part === undefined) throw createError("device-lost", "the GPU device was lost", {});
      const token = await part.life.run(() => part.generation.next(signal));
      if (token === undefined) return undefined;
      if (part.again === 0) {
        this.#tokens.push(token.id);
        return token;
      }
      if (token.id !== this.#tokens[this.#tokens.length - part.again]) {
        const message = "the GPU that came back does not repeat what the one that was lost has said";
        throw createError("internal", message, { where: "restore" });
      }
      part.again--;
    }
  }
}

async function known(figures: readonly Promise<Finish | undefined>[]): Promise<Finish[]> {
  return (await Promise.all(figures)).filter((finish) => finish !== undefined);
}
