import type { LoopLMError } from "../errors.js";
import type { AdapterInfo, TaskInfo } from "../types.js";

/** What is learned: `kind` names the task, the other keys are the task's own. */
export interface TaskConfig {
  /** The task's name, such as `"shuffle"`. */
  kind: string;
  /** The task's own keys. */
  [key: string]: unknown;
}

/** The shape of the model to train, named as in config.json. */
export interface TrainModelConfig {
  /** Width of the hidden state. */
  hidden_size: number;
  /** Width inside the SwiGLU. */
  intermediate_size: number;
  /** Layers of the stack that is applied again and again. */
  num_hidden_layers: number;
  /** Query heads. */
  num_attention_heads: number;
  /** Key/value heads. Default: as many as query heads. */
  num_key_value_heads?: number;
  /** Width of one head. Default: `hidden_size / num_attention_heads`. */
  head_dim?: number;
  /** Recurrent steps, T. */
  total_ut_steps: number;
  /** Base of the rotary embedding. Default 10000. */
  rope_theta?: number;
  /** Epsilon of the norms. Default 1e-6. */
  rms_norm_eps?: number;
  /** Whether the head is the embedding. Default false. */
  tie_word_embeddings?: boolean;
}

/** What is minimised (arXiv 2510.25741, equation 4). */
export interface ObjectiveConfig {
  /** The entropy-regularised objective over all steps, or cross-entropy at the last step only. */
  kind?: "stage-1" | "last-step";
  /** Weight of the entropy (or of the KL to the prior), in nats. */
  beta?: number;
  /** Weight at the end of the run, reached in a line. Default: `beta`. */
  beta_end?: number;
  /** Prior of the exit step: `"uniform"` or `"geometric:LAMBDA"`. */
  prior?: string;
  /** Draw the number of steps of each update from this range. Default: always `total_ut_steps`. */
  steps?: [number, number];
}

/** AdamW and its schedule. */
export interface OptimizerConfig {
  /** The highest learning rate. */
  learning_rate?: number;
  /** Updates over which it rises to that. */
  warmup?: number;
  /** What it does then: `"wsd"` is constant with a linear decay over the last `decay` updates. */
  schedule?: "cosine" | "constant" | "wsd";
  /** Updates of the final decay of `"wsd"`. */
  decay?: number;
  /** The last learning rate, as a share of the highest. */
  final_ratio?: number;
  /** Decoupled weight decay, on matrices only. */
  weight_decay?: number;
  /** Decay of the two running means of AdamW. */
  betas?: [number, number];
  /** Epsilon of AdamW. */
  epsilon?: number;
  /** The gradient's global norm is held below this; 0 is no clipping. */
  clip_norm?: number;
}

/** How long, how much at once, and how often to look. */
export interface RunConfig {
  /** Updates in all. */
  updates: number;
  /** Sequences in a batch. */
  batch_size?: number;
  /** Batches whose gradients make one update. */
  accumulate?: number;
  /** Updates between evaluations; 0 evaluates at the end only. */
  evaluate_every?: number;
  /** Held-out sequences of an evaluation. */
  evaluation_samples?: number;
  /** Updates between checkpoints; 0 makes one at the end only. */
  checkpoint_every?: number;
}

/** Training of the exit gate with the language model frozen (Stage II, equations 5 and 6). */
export interface GateConfig {
  /** When leaving is right: by the improvement that the last step brought (the paper), or that the steps to come will. */
  label?: "look-ahead" | "paper";
  /** Steepness of the label. */
  k?: number;
  /** The improvement, in nats, that is worth a step. */
  gamma?: number;
  /** Gate updates. */
  updates?: number;
  /** Learning rate of the gate. */
  learning_rate?: number;
  /** Sequences whose hidden states are cached to train on. */
  samples?: number;
}

/** A run, as in a TOML file of `looplm train`: the same keys, the same defaults. */
export interface TrainConfig {
  /** What to call the run. */
  name: string;
  /** Seed of the weights and of the samples. */
  seed?: number;
  /** What is learned. */
  task: TaskConfig;
  /** The shape of the model. */
  model: TrainModelConfig;
  /** What is minimised. */
  objective?: ObjectiveConfig;
  /** AdamW and its schedule. */
  optimizer?: OptimizerConfig;
  /** How long, how much at once, and how often to look. */
  run: RunConfig;
  /** Training of the exit gate. */
  gate?: GateConfig;
}

/** What an update saw of its batch, before it changed the weights. Losses and entropies in nats. */
export interface Update {
  /** Updates done, this one included. */
  update: number;
  /** The objective. */
  loss: number;
  /** Mean cross-entropy at each recurrent step that ran, `stepLosses[0]` being step 1. */
  stepLosses: number[];
  /** Mean entropy of the exit distribution. */
  entropy: number;
  /** Mean expected exit step, from 1. */
  expectedSteps: number;
  /** Global norm of the gradient before clipping. */
  gradientNorm: number;
  /** Learning rate of the update. */
  learningRate: number;
  /** Tokens trained on a second, since the last metric. */
  tokensPerSecond: number;
  /** Training time so far, stops not counted. */
  seconds: number;
  /** Estimated training time left. */
  secondsLeft: number;
}

/** One row of the accuracy table. */
export interface DifficultyRow {
  /** Name of the difficulty. */
  name: string;
  /** Targets of this difficulty. */
  targets: number;
  /** Accuracy (0 to 1) at each step. */
  accuracy: number[];
  /** Mean cross-entropy at each step. */
  stepLosses: number[];
  /** Mean expected exit step under the gate. */
  expectedSteps: number;
}

/** Accuracy by difficulty and step over held-out samples. */
export interface Evaluation {
  /** Updates done so far. */
  update: number;
  /** Sequences evaluated. */
  samples: number;
  /** Targets evaluated. */
  targets: number;
  /** Mean cross-entropy at each step. */
  stepLosses: number[];
  /** Accuracy (0 to 1) at each step. */
  accuracy: number[];
  /** Mean entropy of the exit distribution. */
  entropy: number;
  /** Mean expected exit step. */
  expectedSteps: number;
  /** A row for each difficulty, from easy to hard. */
  difficulties: DifficultyRow[];
  /** The task's own figures, [name, value]. */
  figures: [string, number][];
}

/** What a threshold gives. */
export interface SweepPoint {
  /** Threshold on the cumulated exit probability. */
  q: number;
  /** Mean exit step. */
  meanSteps: number;
  /** Accuracy at the exit step. */
  accuracy: number;
}

/** What gate training came to. */
export interface Gate {
  /** Gate updates done. */
  update: number;
  /** Stage II loss before the first update. */
  lossBefore: number;
  /** Stage II loss after the last update. */
  lossAfter: number;
  /** Accuracy of the last step everywhere: what full depth gives. */
  fullAccuracy: number;
  /** Accuracy against mean exit step, for thresholds q from 0.02 to 1. */
  sweep: SweepPoint[];
  /** Spearman's rank correlation between difficulty and exit step at `q`. */
  rankCorrelation: number;
  /** The smallest threshold of the sweep that keeps 99.5 % of the full accuracy. */
  q: number;
  /** Mean exit step of each difficulty at `q`, from easy to hard. */
  exitSteps: number[];
}

/** What a run tells of itself, as a line of `metrics.jsonl`. */
export type TrainMetric =
  ({ kind: "update" } & Update) | ({ kind: "evaluation" } & Evaluation) | ({ kind: "gate" } & Gate);

/** One sample for people to look at. */
export interface TrainExample {
  /** What goes in. */
  input: string;
  /** What should come out, at the places that have a target. */
  answer: string;
}

/** A named run that is known to work. */
export interface Preset {
  /** What `Trainer.create` takes. */
  name: string;
  /** A few words. */
  title: string;
  /** What it shows, in a sentence. */
  description: string;
  /** The run. */
  config: TrainConfig;
  /** How long it takes on a laptop, about. */
  expectedMinutes: number;
  /** One held-out sample. */
  example: TrainExample;
}

/** A place to go on from: put it away as it is (it can be cloned), and pass it as `resume`. */
export interface Checkpoint {
  /** Updates done. */
  update: number;
  /** Training time so far, stops not counted. */
  seconds: number;
  /** The run it belongs to. */
  config: TrainConfig;
  /** Weights and optimizer state, by file name. */
  files: Record<string, Uint8Array<ArrayBuffer>>;
}

/** What stays as it is for the life of a trainer. */
export interface TrainerInfo {
  /** The run, with everything that had a default. */
  config: TrainConfig;
  /** Stored parameters. */
  parameters: number;
  /** GPU memory of the run, in bytes. */
  memoryBytes: number;
  /** Tokens the model knows. */
  vocabSize: number;
  /** Names of the difficulties, from easy to hard. */
  difficulties: string[];
  /** One held-out sample. */
  example: TrainExample;
  /** What the exported config.json will say of the task (`looplm_task`), if anything. */
  task: TaskInfo | null;
  /** The GPU it runs on. */
  adapter: AdapterInfo;
  /** Updates of the whole run. */
  updates: number;
}

/** What a trainer is doing. */
export interface TrainerState {
  /**
   * `ready`: not begun. `running`. `paused`: by `pause()`, or between calls of `step()`. `hidden`: waiting for the tab to
   * be seen again. `recovering`: the GPU went away, and the run starts again from its last checkpoint. `stopped`: by
   * `stop()` or the signal. `done`: all updates made. `failed`: see `error`.
   */
  status: "ready" | "running" | "paused" | "hidden" | "recovering" | "stopped" | "done" | "failed";
  /** Updates done. On `recovering`, those of the checkpoint the run goes back to: metrics after it come again. */
  update: number;
  /** Updates of the whole run. */
  updates: number;
  /** Times the run has started again because the GPU went away. */
  restarts: number;
  /** On `recovering` and `failed`: what went wrong. */
  error?: LoopLMError;
}

/** How a `run()` ended. */
export interface RunResult {
  /** `done`: all updates made; `paused`: by `pause()`; `aborted`: by `stop()` or the signal. */
  reason: "done" | "paused" | "aborted";
  /** Updates done. */
  update: number;
}

/** Options of `Trainer.create`. */
export interface TrainerOptions {
  /** Told of every update and every evaluation, in their order. */
  onMetrics?: ((metric: TrainMetric) => void) | undefined;
  /** Told of every change of state. */
  onState?: ((state: TrainerState) => void) | undefined;
  /** Given every checkpoint that the run makes by itself: to put away, so that a reload loses little. */
  onCheckpoint?: ((checkpoint: Checkpoint) => void) | undefined;
  /** Stops creating (which throws `AbortedError`), and later the run (which resolves with reason `aborted`). */
  signal?: AbortSignal | undefined;
  /** Go on from here. The shape and the task must be those of the configuration. */
  resume?: Checkpoint | undefined;
  /** What to do while the tab is hidden. Default `"continue"`. */
  hiddenTab?: "continue" | "pause" | undefined;
  /** Updates between automatic checkpoints, instead of the configuration's `checkpoint_every`; 0: at the end only. */
  checkpointEvery?: number | undefined;
  /** Train in a Worker, so that the page stays smooth. Default true. */
  worker?: boolean | undefined;
  /**
   * Where the Worker's script is (`looplm/trainer/worker.js`, with all that it imports), if not beside the package's own
   * files. Relative to the page. It may be of another origin, if its server allows that (CORS).
   */
  workerUrl?: string | URL | undefined;
  /** Where `looplm_train_bg.wasm` is, if not beside the package's own files. Relative to the page. */
  wasmUrl?: string | URL | undefined;
}

/** Options of `Trainer.presets`. */
export type PresetsOptions = Pick<TrainerOptions, "worker" | "workerUrl" | "wasmUrl">;

/** Options of `trainGate`: what is not given is as in the run's configuration. */
export interface TrainGateOptions extends GateConfig {
  /** Told how many gate updates of how many are done. */
  onProgress?: ((progress: GateProgress) => void) | undefined;
  /** Stops it; `trainGate` then throws `AbortedError`, and the gate is as it was. */
  signal?: AbortSignal | undefined;
}

/** How far gate training has come. */
export interface GateProgress {
  /** Gate updates done. */
  done: number;
  /** Gate updates in all. */
  of: number;
}
