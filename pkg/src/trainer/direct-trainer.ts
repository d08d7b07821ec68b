import { invalid, without } from "../checks.js";
import { abortedError, createError, errorToPlain, toLoopLMError, wrap, type LoopLMError } from "../errors.js";
import type { Trainer } from "../wasm/looplm_train.js";
import { requireAdapter } from "../webgpu.js";
import { Breath } from "./breath.js";
import {
  trainerDisposedError,
  type CreateRequest,
  type Halt,
  type ModelFiles,
  type PlainState,
  type TrainerEngine,
  type TrainerNotice,
} from "./engine.js";
import { OPTIMIZER, WEIGHTS } from "./options.js";
import type {
  Checkpoint,
  Evaluation,
  Gate,
  GateConfig,
  GateProgress,
  Preset,
  RunResult,
  TrainerInfo,
} from "./types.js";
import { loadTrainWasm, type TrainModule } from "./wasm-module.js";

/** What the trainer needs of its surroundings; tests give their own. */
export interface TrainerSurroundings {
  requireAdapter: () => Promise<void>;
  loadWasm: (wasmUrl?: string) => Promise<TrainModule>;
  /** Milliseconds before each new try with a GPU that went away: a driver that restarts takes seconds. */
  restartDelays: readonly number[];
}

const SURROUNDINGS: TrainerSurroundings = {
  requireAdapter,
  loadWasm: loadTrainWasm,
  restartDelays: [200, 2000, 10_000],
};

/** A run in this thread: the loop around the wasm side, which makes single updates. */
export class DirectTrainer implements TrainerEngine {
  readonly #surroundings: TrainerSurroundings;
  readonly #onNotice: (notice: TrainerNotice) => void;
  readonly #breath = new Breath();
  #trainer: Trainer | undefined;
  /** A trainer like the first: from a checkpoint, or from the beginning. */
  #open: (from: Checkpoint | undefined) => Promise<Trainer> = () => Promise.reject(notCreated());
  #every = { evaluation: 0, checkpoint: 0 };
  #state: PlainState = { status: "ready", update: 0, updates: 0, restarts: 0 };
  /** Computing calls one after the other: the wasm object takes one at a time. */
  #last: Promise<unknown> = Promise.resolve();
  #running: Promise<RunResult> | undefined;
  #halt: Halt | undefined;
  /** The newest checkpoint known to be good. */
  #kept: Checkpoint | undefined;
  /** Updates done at the last evaluation. */
  #evaluated: number | undefined;
  /** Restarts since the run last came further than ever before. */
  #setbacks = 0;
  #furthest = 0;
  /** What ended the run for good. */
  #failure: LoopLMError | undefined;
  #disposed: Promise<void> | undefined;

  constructor(onNotice: (notice: TrainerNotice) => void, surroundings: TrainerSurroundings = SURROUNDINGS) {
    this.#onNotice = onNotice;
    this.#surroundings = surroundings;
  }

  async presets(wasmUrl: string | undefined): Promise<Preset[]> {
    const { Trainer } = await this.#surroundings.loadWasm(wasmUrl);
    return wrap(() => Trainer.presets());
  }

  async create(request: CreateRequest, signal: AbortSignal): Promise<TrainerInfo> {
    await this.#surroundings.requireAdapter();
    const { Trainer } = await this.#surroundings.loadWasm(request.wasmUrl);
    const json = await wrap(() =>
      "json" in request.config ? request.config.json : presetJson(Trainer.presets(), request.config.preset),
    );
    this.#open = (from) => wrap(() => Trainer.create(json, from && toSnapshot(from)));
    this.#kept = request.resume && copy(request.resume);
    if (signal.aborted) throw abortedError("creating the trainer");
    const trainer = await this.#open(this.#kept);
    if (signal.aborted || this.#disposed !== undefined) {
      // Given up while it was made: nobody else will free it.
      await release(trainer);
      throw signal.aborted ? abortedError("creating the trainer") : trainerDisposedError();
    }
    this.#trainer = trainer;
    const info = await wrap(() => trainer.info());
    const { evaluate_every = 0, checkpoint_every = 0 } = info.config.run;
    this.#every = { evaluation: evaluate_every, checkpoint: request.checkpointEvery ?? checkpoint_every };
    this.#furthest = trainer.updatesDone();
    this.#setState({ status: "ready", update: this.#furthest, updates: info.updates });
    return info;
  }

  async run(updates: number | null): Promise<RunResult> {
    // A run that is about to end is not the one asked for now.
    while (this.#running !== undefined && this.#halt !== undefined) {
      await this.#running.catch(() => undefined);
    }
    if (this.#running !== undefined) {
      if (updates === null) return this.#running;
      throw createError("invalid-argument", "the run is going on; pause it to make single steps", {
        argument: "step",
      });
    }
    this.#halt = undefined;
    this.#running = this.#drive(updates ?? Infinity).finally(() => (this.#running = undefined));
    return this.#running;
  }

  halt(how: Halt): void {
    if (this.#running !== undefined) this.#halt = how;
    else if (how === "aborted") this.#rest(how);
  }

  async checkpoint(): Promise<Checkpoint> {
    if (this.#failure !== undefined) {
      if (this.#kept === undefined) throw this.#failure;
      return copy(this.#kept);
    }
    return copy(await this.#compute((trainer) => this.#keep(trainer)));
  }

  evaluate(): Promise<Evaluation> {
    return this.#compute((trainer) => this.#evaluate(trainer));
  }

  trainGate(
    config: GateConfig,
    onProgress: (progress: GateProgress) => void,
    signal: AbortSignal,
  ): Promise<Gate> {
    return this.#compute(async (trainer) => {
      await this.#drain(trainer);
      if (signal.aborted) throw abortedError("gate training");
      const gate = await trainer.trainGate(config, (done, of) => {
        onProgress({ done, of });
        return !signal.aborted && this.#disposed === undefined;
      });
      if (signal.aborted) throw abortedError("gate training");
      this.#onNotice({ kind: "metric", metric: { kind: "gate", ...gate } });
      return gate;
    });
  }

  export(): Promise<ModelFiles> {
    return this.#compute(async (trainer) => {
      await this.#drain(trainer);
      return trainer.modelFiles();
    });
  }

  dispose(): Promise<void> {
    this.#disposed ??= (async () => {
      if (this.#running !== undefined) this.#halt = "aborted";
      await this.#running?.catch(() => undefined);
      await this.#last;
      if (this.#trainer !== undefined) await release(this.#trainer);
      this.#trainer = undefined;
      this.#breath.close();
    })();
    return this.#disposed;
  }

  async #drive(updates: number): Promise<RunResult> {
    try {
      if (this.#failure !== undefined) throw this.#failure;
      if (!this.#done) this.#setState({ status: "running" });
      const until = Math.min(this.#state.update + updates, this.#state.updates);
      // Updates on their way may be lost with the GPU, so that there are some to make again.
      do {
        while (this.#state.update < until && this.#halt === undefined) {
          await this.#compute((trainer) => this.#advance(trainer));
          // Messages, and what else computes, come in between; so does the drawing of the page, in its thread.
          await this.#breath.take();
        }
        await this.#compute((trainer) => this.#finish(trainer));
      } while (this.#state.update < until && this.#halt === undefined);
      return this.#rest(this.#halt ?? (this.#done ? "done" : "paused"));
    } catch (thrown) {
      const error = toLoopLMError(thrown);
      if (error.code === "disposed") return this.#rest("aborted");
      this.#setState({ status: "failed", error: errorToPlain(error) });
      throw error;
    }
  }

  get #done(): boolean {
    return this.#state.update >= this.#state.updates;
  }

  async #advance(trainer: Trainer): Promise<void> {
    const metrics = await trainer.update();
    if (metrics !== undefined) this.#onNotice({ kind: "metric", metric: { kind: "update", ...metrics } });
    const update = trainer.updatesDone();
    this.#state = { ...this.#state, update };
    if (update > this.#furthest) {
      this.#furthest = update;
      this.#setbacks = 0;
    }
    if (update === this.#state.updates) return;
    if (isDue(update, this.#every.evaluation)) await this.#evaluate(trainer);
    if (isDue(update, this.#every.checkpoint)) await this.#giveCheckpoint(trainer);
  }

  /** Waits for the updates on their way; after the last one evaluates and saves. */
  async #finish(trainer: Trainer): Promise<void> {
    await this.#drain(trainer);
    const { update } = this.#state;
    if (!this.#done || this.#halt !== undefined) return;
    if (this.#evaluated !== update) await this.#evaluate(trainer);
    if (this.#kept?.update !== update) await this.#giveCheckpoint(trainer);
  }

  /** Gives the metrics of updates that are still on their way. */
  async #drain(trainer: Trainer): Promise<void> {
    for (const metrics of await trainer.finishUpdates()) {
      this.#onNotice({ kind: "metric", metric: { kind: "update", ...metrics } });
    }
  }

  async #evaluate(trainer: Trainer): Promise<Evaluation> {
    await this.#drain(trainer);
    const evaluation = await trainer.evaluate();
    this.#evaluated = evaluation.update;
    this.#onNotice({ kind: "metric", metric: { kind: "evaluation", ...evaluation } });
    return evaluation;
  }

  async #giveCheckpoint(trainer: Trainer): Promise<void> {
    this.#onNotice({ kind: "checkpoint", checkpoint: copy(await this.#keep(trainer)) });
  }

  async #keep(trainer: Trainer): Promise<Checkpoint> {
    // First, so that weights of an update that came to nothing are never kept.
    await this.#drain(trainer);
    const { update, seconds, weights, optimizer } = await trainer.snapshot();
    const files = { [WEIGHTS]: weights, [OPTIMIZER]: optimizer };
    this.#kept = { update, seconds, config: trainer.info().config, files };
    return this.#kept;
  }

  /** Runs a call when those before it have returned; again, from the last checkpoint, when the GPU went away in it. */
  #compute<R>(call: (trainer: Trainer) => Promise<R>): Promise<R> {
    const result = this.#last.then(async () => {
      for (;;) {
        if (this.#disposed !== undefined) throw trainerDisposedError();
        if (this.#failure !== undefined) throw this.#failure;
        const trainer = this.#trainer;
        if (trainer === undefined) throw notCreated();
        try {
          return await wrap(() => call(trainer));
        } catch (thrown) {
          const error = toLoopLMError(thrown);
          if (error.code === "non-finite") throw (this.#failure = this.#withCheckpoint(error));
          if (error.code !== "device-lost") throw error;
          await this.#restart(trainer, error);
        }
      }
    });
    this.#last = result.catch(() => undefined);
    return result;
  }

  /** Puts a trainer from the last checkpoint in the place of one whose GPU went away. */
  async #restart(lost: Trainer, cause: LoopLMError): Promise<void> {
    const before = this.#state;
    // There is nothing left of it to free on the GPU, so it may fail at that.
    await release(lost).catch(() => undefined);
    this.#trainer = undefined;
    for (let error = cause; ;) {
      const delay = this.#surroundings.restartDelays[this.#setbacks];
      if (this.#disposed !== undefined) throw trainerDisposedError();
      if (delay === undefined) throw (this.#failure = error);
      this.#setbacks++;
      const update = this.#kept?.update ?? 0;
      const restarts = this.#state.restarts + 1;
      this.#setState({ status: "recovering", update, restarts, error: errorToPlain(error) });
      await new Promise((resolve) => setTimeout(resolve, delay));
      try {
        await this.#surroundings.requireAdapter();
        this.#trainer = await this.#open(this.#kept);
        this.#evaluated = undefined;
        this.#setState({ status: before.status, update });
        return;
      } catch (thrown) {
        // While a driver restarts there may be no adapter at all.
        error = toLoopLMError(thrown);
        if (error.code !== "device-lost" && error.code !== "webgpu-unavailable")
          throw (this.#failure = error);
      }
    }
  }

  /** The error, with where one can go on from. */
  #withCheckpoint(error: LoopLMError): LoopLMError {
    const checkpoint = this.#kept?.update;
    const rescue =
      checkpoint === undefined
        ? "No checkpoint was made before; begin again"
        : `The checkpoint after update ${checkpoint} is good: checkpoint() gives it; go on from there`;
    const message = `${error.message}. ${rescue} with a lower learning rate.`;
    const details = { ...error.details, ...(checkpoint === undefined ? {} : { checkpoint }) };
    return createError("non-finite", message, details, { cause: error });
  }

  #rest(how: Halt | "done"): RunResult {
    const { update } = this.#state;
    if (this.#state.status !== "failed") {
      const status = this.#done ? "done" : how === "aborted" ? "stopped" : "paused";
      if (this.#state.status !== status) this.#setState({ status });
    }
    return { reason: how, update };
  }

  #setState(change: Partial<PlainState>): void {
    // An error is of the state that it led to.
    this.#state = { ...without(this.#state, "error"), ...change };
    this.#onNotice({ kind: "state", state: this.#state });
  }
}

function isDue(update: number, every: number): boolean {
  return every > 0 && update % every === 0;
}

function presetJson(presets: readonly Preset[], name: string): string {
  const preset = presets.find((preset) => preset.name === name);
  if (preset === undefined) {
    const names = presets.map(({ name }) => name).join(", ");
    throw invalid("config", `must be a configuration or one of the presets ${names}`, name);
  }
  return JSON.stringify(preset.config);
}

function toSnapshot({ update, seconds, files }: Checkpoint) {
  const [weights, optimizer] = [files[WEIGHTS], files[OPTIMIZER]];
  if (weights === undefined || optimizer === undefined) {
    throw createError("invalid-argument", "the checkpoint lacks a file", { argument: "resume" });
  }
  return { update, seconds, weights, optimizer };
}

/** The caller may do with its files what it likes (a transfer empties them). */
function copy(checkpoint: Checkpoint): Checkpoint {
  return structuredClone(checkpoint);
}

/** Frees a trainer on the GPU and in the wasm's memory. Nothing may be called on it afterwards. */
function release(trainer: Trainer): Promise<void> {
  return wrap(() => {
    try {
      trainer.dispose();
    } finally {
      trainer.free();
    }
  });
}

function notCreated(): LoopLMError {
  return createError("internal", "the trainer is not created yet", { where: "trainer" });
}
