import type { Locks } from "../cache/locks.js";

interface Waiting {
  exclusive: boolean;
  start: () => void;
}

/** The locks of a browser, in memory: first come, first served, and readers together. */
export class FakeLocks implements Locks {
  readonly #held = new Map<string, { exclusive: boolean; holders: number }>();
  readonly #waiting = new Map<string, Waiting[]>();

  async request<R>(
    name: string,
    options: { mode: "shared" | "exclusive"; ifAvailable?: boolean; signal?: AbortSignal },
    run: (lock: unknown) => Promise<R>,
  ): Promise<R> {
    const { signal } = options;
    signal?.throwIfAborted();
    const exclusive = options.mode === "exclusive";
    const queue = this.#waiting.get(name) ?? [];
    this.#waiting.set(name, queue);
    if (options.ifAvailable && (queue.length > 0 || !this.#free(name, exclusive))) return run(null);
    await new Promise<void>((resolve, reject) => {
      const waiting = { exclusive, start: resolve };
      queue.push(waiting);
      signal?.addEventListener("abort", () => {
        const at = queue.indexOf(waiting);
        if (at < 0) return;
        queue.splice(at, 1);
        reject(signal.reason as Error);
        this.#next(name);
      });
      this.#next(name);
    });
    try {
      return await run({ name });
    } finally {
      const held = this.#held.get(name);
      if (held !== undefined && --held.holders === 0) this.#held.delete(name);
      this.#next(name);
    }
  }

  /** How many hold a lock now. */
  get held(): number {
    return this.#held.size;
  }

  /** How many wait for one. */
  get waiting(): number {
    return [...this.#waiting.values()].reduce((sum, queue) => sum + queue.length, 0);
  }

  #free(name: string, exclusive: boolean): boolean {
    const held = this.#held.get(name);
    return held === undefined || (!exclusive && !held.exclusive);
  }

  #next(name: string): void {
    const queue = this.#waiting.get(name) ?? [];
    for (let first = queue[0]; first !== undefined && this.#free(name, first.exclusive); first = queue[0]) {
      queue.shift();
      const held = this.#held.get(name) ?? { exclusive: first.exclusive, holders: 0 };
      held.holders++;
      this.#held.set(name, held);
      first.start();
    }
  }
}
