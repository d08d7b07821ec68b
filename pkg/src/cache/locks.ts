/** What is used of `navigator.locks`; tests give their own. */
export interface Locks {
  request<R>(
    name: string,
    options: { mode: "shared" | "exclusive"; ifAvailable?: boolean; signal?: AbortSignal },
    run: (lock: unknown) => Promise<R>,
  ): Promise<R>;
}

/**
 * Who may do what with an entry of the cache, over all tabs and Workers: many may read it, and one may write it while
 * nobody reads it. A tab that is closed lets go.
 */
export class EntryLock {
  readonly #locks: Locks;
  readonly #name: string;

  constructor(locks: Locks, key: string) {
    this.#locks = locks;
    this.#name = `looplm-models/${key}`;
  }

  /** Runs while nobody writes. Waits for its turn unless the signal fires. */
  async reading<R>(run: () => Promise<R>, signal: AbortSignal): Promise<R> {
    return this.#locks.request(this.#name, { mode: "shared", signal }, run);
  }

  /** Runs while nobody else reads or writes. Waits for its turn unless the signal fires. */
  async writing<R>(run: () => Promise<R>, signal: AbortSignal): Promise<R> {
    return this.#locks.request(this.#name, { mode: "exclusive", signal }, run);
  }

  /** As `writing`, but undefined at once if it would have to wait. */
  async writingNow<R>(run: () => Promise<R>): Promise<R | undefined> {
    return this.#locks.request(this.#name, { mode: "exclusive", ifAvailable: true }, (lock) =>
      lock === null ? Promise.resolve(undefined) : run(),
    );
  }
}
