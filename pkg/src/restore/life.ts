import type { Engine } from "../engine.js";
import type { LostDetail } from "../types.js";

/** An engine with a loaded model, until its GPU goes away. */
export class Life {
  readonly engine: Engine;
  readonly #lost = new AbortController();
  #loss: LostDetail | undefined;

  constructor(engine: Engine) {
    this.engine = engine;
  }

  /** How it ended; undefined while it lives. */
  get loss(): LostDetail | undefined {
    return this.#loss;
  }

  /** Ends it: what runs on it rejects. */
  end(loss: LostDetail): void {
    this.#loss = loss;
    this.#lost.abort();
  }

  /** What the call gives; rejects as soon as the GPU is gone, whether or not the engine ever answers. */
  run<R>(call: (engine: Engine) => Promise<R>): Promise<R> {
    const { signal } = this.#lost;
    return new Promise((resolve, reject) => {
      const end = (): void => reject(this.#loss?.error);
      if (signal.aborted) return end();
      signal.addEventListener("abort", end);
      call(this.engine)
        .then(resolve, reject)
        .finally(() => signal.removeEventListener("abort", end));
    });
  }
}
