import { abortedError, type LoopLMError } from "../errors.js";

/** Most tries of one request, and of one that does come further each time, tries without coming further. */
const ATTEMPTS = 5;

/** Longest wait that a server may ask for, in milliseconds. */
const MAX_WAIT = 60_000;

/** A failure that may be over when one tries again. */
export class TransientError extends Error {
  /** What to tell the caller if it is not. */
  readonly error: LoopLMError;
  /** How long the server says to wait, in milliseconds. */
  readonly wait: number | undefined;

  constructor(error: LoopLMError, wait?: number) {
    super(error.message, { cause: error });
    this.error = error;
    this.wait = wait;
  }
}

/** Waits; rejects with the signal's reason as soon as it fires. Tests give one that does not wait. */
export type Pause = (milliseconds: number, signal: AbortSignal) => Promise<void>;

/** Counts tries, and waits between them. */
export class Retries {
  readonly #signal: AbortSignal;
  readonly #pause: Pause;
  #failed = 0;

  constructor(signal: AbortSignal, pause: Pause) {
    this.#signal = signal;
    this.#pause = pause;
  }

  /** The last try came further than those before. */
  reset(): void {
    this.#failed = 0;
  }

  /** Waits before the next try; throws what failed, if it is no use to try again. */
  async after(thrown: unknown): Promise<void> {
    if (this.#signal.aborted) throw abortedError("loading");
    if (!(thrown instanceof TransientError)) throw thrown;
    this.#failed++;
    if (this.#failed >= ATTEMPTS) throw thrown.error;
    // Twice as long each time, and not all clients of a server at the same moment.
    const backoff = 500 * 2 ** (this.#failed - 1) * (0.75 + Math.random() / 2);
    try {
      await this.#pause(Math.min(Math.max(backoff, thrown.wait ?? 0), MAX_WAIT), this.#signal);
    } catch {
      throw abortedError("loading");
    }
  }
}

/** The result of the first try that does not fail in a way that may be over. */
export async function retrying<R>(run: () => Promise<R>, signal: AbortSignal, pause: Pause): Promise<R> {
  const retries = new Retries(signal, pause);
  for (;;) {
    try {
      return await run();
    } catch (thrown) {
      await retries.after(thrown);
    }
  }
}

/** Waits in real time. */
export const pause: Pause = (milliseconds, signal) =>
  new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    signal.addEventListener("abort", stop, { once: true });
  });
