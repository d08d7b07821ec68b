import { asyncDispose } from "../async-dispose.js";
import { checked, whole } from "../checks.js";
import { abortedError, errorFromPlain, toLoopLMError, type LoopLMError } from "../errors.js";
import { absoluteUrl } from "../source.js";
import { requireWebGPU } from "../webgpu.js";
import {
  trainerDisposedError,
  type CreateRequest,
  type Halt,
  type ModelFiles,
  type PlainState,
  type TrainerEngine,
  type TrainerNotice,
} from "./engine.js";
import { createRequest, gateConfig, presetsWasmUrl } from "./options.js";
import { pageTab, type Tab } from "./tab.js";
import type {
  Checkpoint,
  Evaluation,
  Gate,
  Preset,
  PresetsOptions,
  RunResult,
  TrainConfig,
  TrainerInfo,
  TrainerOptions,
  TrainerState,
  TrainGateOptions,
} from "./types.js";
import { startWorker, TrainerClient } from "./worker-client.js";

/** Makes an engine that tells its notices to the given listener. */
type EngineWith = (onNotice: (notice: TrainerNotice) => void) => TrainerEngine;

/** The options that stay with the trainer. */
type Listeners = Pick<TrainerOptions, "onMetrics" | "onState" | "onCheckpoint" | "signal" | "hiddenTab">;

/**
 * Trains a looped language model on the GPU.
 *
 * ```ts
 * const trainer = await Trainer.create("shell-game", { onMetrics: (metric) => draw(metric) });
 * await trainer.run();
 * const files = await trainer.export();
 * await trainer.dispose();
 * ```
 *
 * Nothing is trained before `run` or `step`. Calls may overlap: what computes waits for its turn between two updates. When
 * the GPU goes away the run starts again from its last checkpoint by itself.
 */
export class Trainer implements AsyncDisposable {
  /** Configuration, size, task and GPU: the same for the whole life of the trainer. */
  readonly info: TrainerInfo;

  readonly #engine: TrainerEngine;
  readonly #listeners: Listeners;
  readonly #tab: Tab;
  readonly #life = new AbortController();
  #state: TrainerState;
  #running: Promise<RunResult> | undefined;
  /** What was asked of the run that is going on. */
  #halt: Halt | undefined;
  /** Ends the wait for the tab to be seen. */
  #wake: () => void = () => undefined;
  #disposed: Promise<void> | undefined;

  private constructor(
    engine: TrainerEngine,
    info: TrainerInfo,
    state: TrainerState,
    listeners: Listeners,
    tab: Tab,
  ) {
    this.#engine = engine;
    this.info = info;
    this.#state = state;
    this.#listeners = listeners;
    this.#tab = tab;
  }

  /**
   * Prepares a run: a configuration (the object that a TOML file of `looplm train` holds) or a preset's name. Rejects with
   * a `LoopLMError`: `config-invalid` (`details.field` names the field), `webgpu-unavailable`, `out-of-memory`,
   * `checkpoint-invalid` (what `resume` holds does not fit), `network`, `aborted`, ...
   */
  static async create(config: TrainConfig | string, options: TrainerOptions = {}): Promise<Trainer> {
    const request = createRequest(config, options);
    if (options.signal?.aborted) throw abortedError("creating the trainer");
    requireWebGPU();
    return Trainer.createWith(await engineWith(options), request, options);
  }

  /** The runs that come with this package. Needs no WebGPU. */
  static async presets(options: PresetsOptions = {}): Promise<Preset[]> {
    const wasmUrl = presetsWasmUrl(options);
    const engine = (await engineWith(options))(() => undefined);
    try {
      return await engine.presets(wasmUrl);
    } finally {
      engine.dispose().catch(() => undefined);
    }
  }

  /**
   * Creates with an engine of one's own: tests do.
   * @internal
   */
  static async createWith(
    engineWith: EngineWith,
    request: CreateRequest,
    listeners: Listeners,
    tab: Tab = pageTab(),
  ): Promise<Trainer> {
    const { signal = new AbortController().signal } = listeners;
    let trainer: Trainer | undefined;
    let state: TrainerState = { status: "ready", update: 0, updates: 0, restarts: 0 };
    const engine = engineWith((notice) => {
      if (trainer !== undefined) trainer.#receive(notice);
      else if (notice.kind === "state") state = fromPlain(notice.state);
    });
    try {
      const info = await engine.create(request, signal);
      if (signal.aborted) throw abortedError("creating the trainer");
      trainer = new Trainer(engine, info, state, listeners, tab);
    } catch (thrown) {
      // Not waited for: the caller wants to know now.
      engine.dispose().catch(() => undefined);
      throw signal.aborted ? abortedError("creating the trainer") : toLoopLMError(thrown);
    }
    trainer.#listen(signal);
    return trainer;
  }

  /** What it is doing now. */
  get state(): TrainerState {
    return this.#state;
  }

  /**
   * Trains until all updates are made, or until `pause()` or `stop()`; after those it may be called again. Rejects when
   * training fails: `non-finite`, `device-lost` (again and again), ...
   */
  run(): Promise<RunResult> {
    return this.#start(null);
  }

  /** Makes `updates` updates (default 1) and pauses. */
  async step(updates: number = 1): Promise<RunResult> {
    checked<{ updates: number }>("step", { updates }, { updates: whole(1) });
    return this.#start(updates);
  }

  /** Pauses before the next update; `run()` resolves then. */
  pause(): void {
    this.#end("paused");
  }

  /** Stops before the next update; `run()` resolves then. As `pause()`, but meant to be the end. */
  stop(): void {
    this.#end("aborted");
  }

  /** All that is needed to go on from here; after a failure, the last that was good. */
  checkpoint(): Promise<Checkpoint> {
    return this.#call(() => this.#engine.checkpoint());
  }

  /** Accuracy by difficulty and step, now. `onMetrics` is told too. */
  evaluate(): Promise<Evaluation> {
    return this.#call(() => this.#engine.evaluate());
  }

  /** Trains the exit gate, with the rest of the model as it is (Stage II). `onMetrics` is told what it came to. */
  async trainGate(options: TrainGateOptions = {}): Promise<Gate> {
    const config = gateConfig(options);
    const { onProgress, signal } = options;
    const stopped = AbortSignal.any([this.#life.signal, ...(signal === undefined ? [] : [signal])]);
    return this.#call(
      () => this.#engine.trainGate(config, (progress) => tell(onProgress, progress), stopped),
      signal,
    );
  }

  /** The model as a folder for `LoopLM.load`, the command line and Hugging Face: its files by name. */
  export(): Promise<ModelFiles> {
    return this.#call(() => this.#engine.export());
  }

  /** Stops what runs and frees the GPU's memory. May be called again. */
  dispose(): Promise<void> {
    this.#disposed ??= (async () => {
      this.#end("aborted");
      this.#life.abort();
      await this.#engine.dispose();
    })();
    return this.#disposed;
  }

  /** `dispose`, for `await using`. */
  [asyncDispose](): Promise<void> {
    return this.dispose();
  }

  async #start(updates: number | null): Promise<RunResult> {
    // A run that is about to end is not the one asked for now.
    while (this.#running !== undefined && this.#halt !== undefined) {
      await this.#running.catch(() => undefined);
    }
    if (this.#life.signal.aborted) throw trainerDisposedError();
    if (this.#listeners.signal?.aborted) return { reason: "aborted", update: this.#state.update };
    // While one goes on, the engine says whether another fits in.
    if (this.#running !== undefined) {
      return updates === null ? this.#running : this.#call(() => this.#engine.run(updates));
    }
    this.#halt = undefined;
    this.#running = this.#drive(updates).finally(() => (this.#running = undefined));
    return this.#running;
  }

  async #drive(updates: number | null): Promise<RunResult> {
    // Single steps are asked for one by one, by someone who is there.
    const waits = this.#listeners.hiddenTab === "pause" && updates === null;
    for (;;) {
      if (waits && this.#tab.hidden && this.#halt === undefined) await this.#seen();
      if (this.#halt !== undefined) return { reason: this.#halt, update: this.#state.update };
      const result = await this.#call(() => this.#engine.run(updates)).catch((error: LoopLMError) => {
        // An engine that ended (a Worker that died) could not say so.
        if (this.#state.status !== "failed") this.#setState({ ...this.#state, status: "failed", error });
        throw error;
      });
      if (!waits || result.reason !== "paused" || this.#halt !== undefined) return result;
    }
  }

  /** Waits until the tab can be seen, or the run is to end. */
  async #seen(): Promise<void> {
    if (this.#state.status !== "hidden") this.#setState({ ...this.#state, status: "hidden" });
    await new Promise<void>((resolve) => (this.#wake = resolve));
    this.#wake = () => undefined;
  }

  #end(how: Halt): void {
    if (this.#running !== undefined) this.#halt = how;
    this.#engine.halt(how);
    if (this.#state.status === "hidden") {
      this.#setState({ ...this.#state, status: how === "paused" ? "paused" : "stopped" });
    }
    this.#wake();
  }

  #listen(signal: AbortSignal): void {
    const once = { signal: this.#life.signal };
    signal.addEventListener("abort", () => this.stop(), once);
    if (this.#listeners.hiddenTab !== "pause") return;
    this.#tab.addEventListener(
      "visibilitychange",
      () => {
        if (!this.#tab.hidden) this.#wake();
        else if (this.#running !== undefined) this.#engine.halt("paused");
      },
      once,
    );
  }

  #receive(notice: TrainerNotice): void {
    switch (notice.kind) {
      case "metric":
        if (notice.metric.kind === "update") this.#state = { ...this.#state, update: notice.metric.update };
        tell(this.#listeners.onMetrics, notice.metric);
        return;
      case "checkpoint":
        tell(this.#listeners.onCheckpoint, notice.checkpoint);
        return;
      case "state": {
        const state = fromPlain(notice.state);
        // The engine knows of no tab: it was asked to pause, and nobody else did.
        const hidden =
          state.status === "paused" &&
          this.#running !== undefined &&
          this.#halt === undefined &&
          this.#tab.hidden;
        this.#setState(hidden ? { ...state, status: "hidden" } : state);
      }
    }
  }

  #setState(state: TrainerState): void {
    this.#state = state;
    tell(this.#listeners.onState, state);
  }

  async #call<R>(run: () => Promise<R>, signal?: AbortSignal): Promise<R> {
    if (this.#life.signal.aborted) throw trainerDisposedError();
    if (signal?.aborted) throw abortedError("the call");
    try {
      return await run();
    } catch (thrown) {
      throw this.#failure(thrown, signal);
    }
  }

  #failure(thrown: unknown, signal: AbortSignal | undefined): LoopLMError {
    if (this.#life.signal.aborted) return trainerDisposedError();
    if (signal?.aborted) return abortedError("the call");
    return toLoopLMError(thrown);
  }
}

/** A Worker's engine, or this thread's; that is imported only when asked for. */
async function engineWith({ worker = true, workerUrl }: PresetsOptions): Promise<EngineWith> {
  const script = workerUrl === undefined ? undefined : absoluteUrl(workerUrl, "workerUrl");
  if (worker) return (onNotice) => new TrainerClient(onNotice, startWorker(script));
  const { DirectTrainer } = await import("./direct-trainer.js");
  return (onNotice) => new DirectTrainer(onNotice);
}

function fromPlain({ error, ...state }: PlainState): TrainerState {
  return error === undefined ? state : { ...state, error: errorFromPlain(error) };
}

/** What a listener throws is the caller's mistake, to be seen; the training is none the worse for it. */
function tell<T>(listener: ((value: T) => void) | undefined, value: T): void {
  try {
    listener?.(value);
  } catch (error) {
    reportError(error);
  }
}
