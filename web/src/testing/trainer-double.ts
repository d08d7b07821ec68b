/**
 * A test double of the package's `Trainer`: plays a believable run, fast, without computing anything. See
 * looplm-double.ts.
 */
import type {
  Checkpoint,
  Evaluation,
  Gate,
  Preset,
  RunResult,
  TrainConfig,
  TrainerInfo,
  TrainerOptions,
  TrainerState,
  TrainGateOptions,
  Update,
} from "looplm";

const DIFFICULTIES = ["1 move", "2", "3–4", "5–8", "9–16"];

function preset(name: string, title: string, description: string, minutes: number, updates: number): Preset {
  return {
    name,
    title,
    description,
    expectedMinutes: minutes,
    example: { input: "swap12 left swap23 right swap13", answer: "213 132 123 312 213" },
    config: {
      name,
      seed: 1,
      task: { kind: "shuffle" },
      model: {
        hidden_size: 64,
        intermediate_size: 192,
        num_hidden_layers: 1,
        num_attention_heads: 2,
        total_ut_steps: 4,
      },
      objective: { kind: "stage-1", beta: 0.1 },
      optimizer: { learning_rate: 2e-3, warmup: 50 },
      run: { updates, batch_size: 64, evaluate_every: Math.round(updates / 12), checkpoint_every: 500 },
    },
  };
}

const PRESETS: readonly Preset[] = [
  preset(
    "shell-game",
    "Track the shuffle",
    "Every further loop about doubles how far it can follow three cups.",
    7,
    1500,
  ),
  preset(
    "first-look",
    "First look",
    "Short shuffles of three cups: one loop is not enough, four are.",
    0.6,
    300,
  ),
  preset(
    "who-is-who",
    "Who is who",
    "Facts that live in the weights: each loop follows one relation further.",
    14,
    2600,
  ),
  preset("addition", "Addition", "Carries run through the digits; long carries need more loops.", 10, 4000),
];

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const noise = (seed: number) => {
  const x = Math.sin(seed * 12.9898) * 43758.5453;
  return x - Math.floor(x) - 0.5;
};

function unlessAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw Object.assign(new Error("stopped by its signal"), { code: "aborted" });
}

/** Cross-entropy of a difficulty (from 0) at a step (from 1) when `share` of the run is over. */
function loss(share: number, difficulty: number, step: number, steps: number): number {
  const reach = (steps === 1 ? 2.1 : step + 0.8) * sigmoid((share - 0.12 * difficulty) * 14 - 1.5);
  return 1.79 * sigmoid((difficulty - reach) * 2.6);
}

export class Trainer {
  readonly info: TrainerInfo;
  private halted: "paused" | "aborted" | undefined;
  private update: number;
  private readonly options: TrainerOptions;

  private constructor(config: TrainConfig, options: TrainerOptions) {
    this.options = options;
    this.update = options.resume?.update ?? 0;
    this.info = {
      config,
      parameters: 12 * config.model.hidden_size ** 2 * config.model.num_hidden_layers + 1664,
      memoryBytes: 40 << 20,
      vocabSize: 14,
      difficulties: DIFFICULTIES,
      example: PRESETS[0]!.example,
      task: null,
      adapter: {
        name: "test double",
        vendor: "nobody",
        backend: "none",
        tier: "baseline",
        limits: { maxStorageBufferBindingSize: 1 << 27, maxBufferSize: 1 << 28 },
      },
      updates: config.run.updates,
    };
  }

  static async presets(): Promise<Preset[]> {
    await pause(30);
    return structuredClone([...PRESETS]);
  }

  static async create(config: TrainConfig | string, options: TrainerOptions = {}): Promise<Trainer> {
    await pause(150);
    unlessAborted(options.signal);
    const known = typeof config === "string" ? PRESETS.find((p) => p.name === config)?.config : config;
    if (!known) throw Object.assign(new Error("no such preset"), { code: "invalid-argument", details: {} });
    if (known.model.hidden_size > 512)
      throw Object.assign(new Error("the double is no wider than 512"), {
        code: "config-invalid",
        details: { field: "model.hidden_size" },
      });
    return new Trainer(structuredClone(known), options);
  }

  get state(): TrainerState {
    return this.stateOf("ready");
  }

  async run(): Promise<RunResult> {
    return this.go(this.info.updates);
  }

  async step(updates = 1): Promise<RunResult> {
    return this.go(this.update + updates);
  }

  pause(): void {
    this.halted = "paused";
  }

  stop(): void {
    this.halted = "aborted";
  }

  async checkpoint(): Promise<Checkpoint> {
    const files = {
      "model.safetensors": new Uint8Array(2048),
      "optimizer.safetensors": new Uint8Array(4096),
    };
    return { update: this.update, seconds: this.update * 0.02, config: this.info.config, files };
  }

  async evaluate(): Promise<Evaluation> {
    const evaluation = this.evaluation();
    this.options.onMetrics?.({ kind: "evaluation", ...evaluation });
    return evaluation;
  }

  async trainGate({ onProgress, signal }: TrainGateOptions = {}): Promise<Gate> {
    for (let done = 0; done <= 300; done += 20) {
      await pause(25);
      unlessAborted(signal);
      onProgress?.({ done, of: 300 });
    }
    const steps = this.info.config.model.total_ut_steps;
    const full = this.evaluation().accuracy.at(-1)!;
    const sweep = Array.from({ length: 50 }, (_, i) => {
      const q = (i + 1) * 0.02;
      const meanSteps = 1 + (steps - 1) * (0.12 + 0.5 * q + 0.38 * q ** 12);
      return { q, meanSteps, accuracy: full * (1 - 0.32 * Math.exp(-9 * q) - 0.02 * (1 - q)) };
    });
    const gate: Gate = {
      update: 300,
      lossBefore: 0.612,
      lossAfter: 0.197,
      fullAccuracy: full,
      sweep,
      rankCorrelation: 0.97,
      q: sweep[38]!.q,
      exitSteps: DIFFICULTIES.map((_, d) => Math.min(1 + d * 0.8, steps)),
    };
    this.options.onMetrics?.({ kind: "gate", ...gate });
    return gate;
  }

  async export(): Promise<Record<string, Uint8Array<ArrayBuffer>>> {
    await pause(50);
    return {
      "config.json": new TextEncoder().encode('{"model_type":"ouro"}'),
      "model.safetensors": new Uint8Array(2048),
    };
  }

  async dispose(): Promise<void> {
    this.halted = "aborted";
  }

  private async go(until: number): Promise<RunResult> {
    this.halted = undefined;
    this.options.onState?.(this.stateOf("running"));
    const every = this.info.config.run.evaluate_every ?? 0;
    while (this.update < Math.min(until, this.info.updates)) {
      await pause(8);
      if (this.halted !== undefined) break;
      this.update++;
      this.options.onMetrics?.({ kind: "update", ...this.updateMetric() });
      if (every > 0 && this.update % every === 0) await this.evaluate();
      if (this.options.checkpointEvery && this.update % this.options.checkpointEvery === 0)
        this.options.onCheckpoint?.(await this.checkpoint());
    }
    const reason = this.update >= this.info.updates ? "done" : (this.halted ?? "paused");
    this.options.onState?.(this.stateOf(reason === "done" ? "done" : "paused"));
    return { reason, update: this.update };
  }

  private stateOf(status: TrainerState["status"]): TrainerState {
    return { status, update: this.update, updates: this.info.updates, restarts: 0 };
  }

  private updateMetric(): Update {
    const { update } = this;
    const { stepLosses, entropy, expectedSteps } = this.evaluation();
    const { updates } = this.info;
    return {
      update,
      loss: stepLosses.reduce((sum, l) => sum + l, 0) / stepLosses.length,
      stepLosses: stepLosses.map((l, i) => l + 0.06 * noise(update * 8 + i)),
      entropy: entropy + 0.02 * noise(update),
      expectedSteps,
      gradientNorm: 1,
      learningRate: (this.info.config.optimizer?.learning_rate ?? 1e-3) * Math.min(1, update / 50),
      tokensPerSecond: 81_234 + 4000 * noise(update + 3),
      seconds: update * 0.02,
      secondsLeft: (updates - update) * 0.02,
    };
  }

  private evaluation(): Evaluation {
    const { updates, config } = this.info;
    const steps = config.model.total_ut_steps;
    const share = this.update / updates;
    const perStep = (of: (step: number) => number) => Array.from({ length: steps }, (_, i) => of(i + 1));
    const difficulties = DIFFICULTIES.map((name, d) => ({
      name,
      targets: 512,
      accuracy: perStep((step) => 1 - (loss(share, d, step, steps) / 1.79) * (5 / 6)),
      stepLosses: perStep((step) => loss(share, d, step, steps)),
      expectedSteps: steps === 1 ? 1 : 2.4 + Math.min(d * 0.45, steps - 2.5) * share,
    }));
    const mean = (of: (row: (typeof difficulties)[number]) => number) =>
      difficulties.reduce((sum, row) => sum + of(row), 0) / difficulties.length;
    return {
      update: this.update,
      samples: 512,
      targets: 512 * DIFFICULTIES.length,
      stepLosses: perStep((step) => mean((row) => row.stepLosses[step - 1]!)),
      accuracy: perStep((step) => mean((row) => row.accuracy[step - 1]!)),
      entropy: steps === 1 ? 0 : Math.log(steps) * (1 - 0.3 * share),
      expectedSteps: mean((row) => row.expectedSteps),
      difficulties,
      figures: [],
    };
  }
}
