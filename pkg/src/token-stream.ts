import { asyncDispose } from "./async-dispose.js";
import type { EngineGeneration } from "./engine.js";
import type { Finish, GeneratedToken } from "./types.js";

const NOTHING_DONE: Finish = {
  reason: "aborted",
  promptTokens: 0,
  cachedTokens: 0,
  newTokens: 0,
  passes: 0,
  prefillPasses: 0,
  rowSteps: 0,
  accepted: 0,
  discarded: 0,
  drafts: [],
  kvBytes: 0,
  timeline: [],
  seconds: 0,
};

/**
 * The tokens of one generation, as they come: `for await` gives one after another, `text()` the whole text in one go.
 * Nothing runs before the first is asked for; leaving the loop (`break`, `return`, an exception) ends the generation within
 * one pass and frees its memory. Can be iterated once.
 */
export class TokenStream implements AsyncIterableIterator<GeneratedToken, undefined>, AsyncDisposable {
  /**
   * How it ended: set when the iteration ends, also by a signal or by leaving the loop (`aborted`). Rejects if the
   * generation failed. It does not make the generation run: without a loop, await `text()` before it.
   */
  readonly finished: Promise<Finish>;

  readonly #tokens: AsyncGenerator<GeneratedToken, undefined>;
  readonly #leave = new AbortController();
  #started = false;
  /** Of the tokens given so far. */
  #given = "";
  #whole: Promise<string> | undefined;
  #settle!: { resolve: (finish: Finish) => void; reject: (error: unknown) => void };

  /**
   * `start` begins the generation; its signal also fires when the iteration is left. `stopped` is the caller's signal and the model's end in one. `failure` makes of what
   * was thrown what the caller should see.
   * @internal
   */
  constructor(
    start: (signal: AbortSignal) => Promise<EngineGeneration>,
    stopped: AbortSignal,
    failure: (thrown: unknown) => unknown,
  ) {
    this.finished = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    // The loop throws the same error; whoever does not look at `finished` has not missed it.
    this.finished.catch(() => undefined);
    this.#tokens = this.#run(start, stopped, failure);
  }

  /**
   * Runs the generation to its end, and resolves to its text: of every token, also of those that a loop had before. Throws
   * what the loop would throw.
   */
  text(): Promise<string> {
    return (this.#whole ??= this.#drain());
  }

  /** The next token; `done` at the end. */
  next(): Promise<IteratorResult<GeneratedToken, undefined>> {
    this.#started = true;
    return this.#tokens.next();
  }

  /** Ends the generation; `for await` calls it when the loop is left early. */
  return(): Promise<IteratorResult<GeneratedToken, undefined>> {
    this.#leave.abort();
    if (!this.#started) this.#settle.resolve(NOTHING_DONE);
    return this.#tokens.return(undefined);
  }

  /** Ends the generation; the promise rejects with `error`. */
  throw(error: unknown): Promise<IteratorResult<GeneratedToken, undefined>> {
    this.#leave.abort();
    if (!this.#started) this.#settle.resolve(NOTHING_DONE);
    return this.#tokens.throw(error);
  }

  /** Ends the generation, for `await using`. */
  async [asyncDispose](): Promise<void> {
    await this.return();
  }

  /** This stream. */
  [Symbol.asyncIterator](): this {
    return this;
  }

  async #drain(): Promise<string> {
    while ((await this.next()).done !== true);
    // Of one that had failed before, the loop has thrown the error already.
    await this.finished;
    return this.#given;
  }

  async *#run(
    start: (signal: AbortSignal) => Promise<EngineGeneration>,
    stopped: AbortSignal,
    failure: (thrown: unknown) => unknown,
  ): AsyncGenerator<GeneratedToken, undefined> {
    let generation: EngineGeneration | undefined;
    let failed: { error: unknown } | undefined;
    try {
      const signal = AbortSignal.any([stopped, this.#leave.signal]);
      stopped.throwIfAborted();
      generation = await start(signal);
      for (;;) {
        const token = await generation.next(signal);
        if (token === undefined) return undefined;
        // The pass that ran when the signal fired was the last.
        stopped.throwIfAborted();
        this.#given += token.text;
        yield token;
        stopped.throwIfAborted();
      }
    } catch (thrown) {
      // Left while a token was on its way: an end like any other.
      if (this.#leave.signal.aborted && !stopped.aborted) return undefined;
      failed = { error: failure(thrown) };
      throw failed.error;
    } finally {
      await this.#end(generation, failed, stopped.aborted);
    }
  }

  /** Settles `finished` and frees the sequence. */
  async #end(
    generation: EngineGeneration | undefined,
    failed: { error: unknown } | undefined,
    stopped: boolean,
  ): Promise<void> {
    try {
      if (failed !== undefined && !stopped) {
        this.#settle.reject(failed.error);
      } else if (generation === undefined) {
        this.#settle.resolve(NOTHING_DONE);
      } else {
        const finish = await generation.finish();
        const early = stopped || this.#leave.signal.aborted;
        this.#settle.resolve(early ? { ...finish, reason: "aborted" } : finish);
      }
    } catch (thrown) {
      // No report: the engine ended before the generation did.
      this.#settle.reject(failed?.error ?? thrown);
    }
    // A sequence that is gone already (Worker ended, model disposed) needs no closing.
    await generation?.close().catch(() => undefined);
  }
}
