import type {
  Evaluation,
  Gate,
  GateConfig,
  Preset,
  TrainConfig,
  TrainerInfo,
  Update,
} from "../trainer/types.js";
import type { TrainModule } from "../trainer/wasm-module.js";
import type { Snapshot, Trainer } from "../wasm/looplm_train.js";
import { FAKE_INFO, FakeObject, pass, wasmError } from "./fake-wasm.js";

export const FAKE_CONFIG: TrainConfig = {
  name: "fake",
  task: { kind: "shuffle" },
  model: {
    hidden_size: 8,
    intermediate_size: 16,
    num_hidden_layers: 1,
    num_attention_heads: 1,
    total_ut_steps: 2,
  },
  run: { updates: 10, evaluate_every: 4, checkpoint_every: 5 },
};

/** What tests can see and set of a fake module that trains. Its weights are the sum of its updates' numbers. */
export class FakeTraining implements TrainModule {
  /** Objects in the wasm's memory. */
  objects = 0;
  disposed = 0;
  /** What `create` was given. */
  created: { config: string; snapshot: Snapshot | undefined }[] = [];
  gateConfigs: GateConfig[] = [];
  /** Makes the update of this number fail, each time less once. */
  failures = new Map<number, Error[]>();
  /** Thrown by the next call that waits for updates on their way, where there are some. */
  lateFailure: Error | undefined;
  /** Thrown by the next creations. */
  createFailures: Error[] = [];
  /** Awaited in every update. */
  beforeUpdate: (update: number) => Promise<void> | void = () => undefined;

  readonly Trainer = {
    presets: (): Preset[] => [
      {
        name: "tiny",
        title: "Tiny",
        description: "A fake.",
        config: FAKE_CONFIG,
        expectedMinutes: 1,
        example: { input: "a", answer: "b" },
      },
    ],
    create: async (config: string, snapshot: Snapshot | undefined): Promise<Trainer> => {
      await pass();
      this.created.push({ config, snapshot });
      const failure = this.createFailures.shift();
      if (failure !== undefined) throw failure;
      const parsed = JSON.parse(config) as TrainConfig;
      if (parsed.model.hidden_size % 2 !== 0) {
        throw wasmError("config-invalid", "model.hidden_size is odd", { field: "model.hidden_size" });
      }
      return new FakeTrainer(this, parsed, snapshot) as unknown as Trainer;
    },
  };
}

class FakeTrainer extends FakeObject<FakeTraining> implements Omit<Trainer, never> {
  readonly #config: TrainConfig;
  #update: number;
  #sum: number;
  #late: Update[] = [];

  constructor(training: FakeTraining, config: TrainConfig, snapshot: Snapshot | undefined) {
    super(training);
    this.#config = config;
    this.#update = snapshot?.update ?? 0;
    this.#sum = snapshot?.weights[0] ?? 0;
  }

  info(): TrainerInfo {
    this.check();
    return {
      config: this.#config,
      parameters: 1,
      memoryBytes: 4,
      vocabSize: 2,
      difficulties: ["easy", "hard"],
      example: { input: "a", answer: "b" },
      task: null,
      adapter: FAKE_INFO.adapter,
      updates: this.#config.run.updates,
    };
  }

  updatesDone(): number {
    this.check();
    return this.#update;
  }

  update(): Promise<Update | undefined> {
    return this.#alone(async () => {
      await this.wasm.beforeUpdate(this.#update + 1);
      await pass();
      const failure = this.wasm.failures.get(this.#update + 1)?.shift();
      if (failure !== undefined) throw failure;
      this.#update++;
      this.#sum += this.#update;
      this.#late.push({ ...NO_UPDATE, update: this.#update, loss: this.#sum });
      return this.#late.length > 1 ? this.#late.shift() : undefined;
    });
  }

  finishUpdates(): Promise<Update[]> {
    return this.#alone(async () => {
      const { lateFailure } = this.wasm;
      if (lateFailure !== undefined && this.#late.length > 0) {
        this.wasm.lateFailure = undefined;
        throw lateFailure;
      }
      return this.#late.splice(0);
    });
  }

  evaluate(): Promise<Evaluation> {
    return this.#alone(async () => {
      await pass();
      return { ...NO_EVALUATION, update: this.#update };
    });
  }

  snapshot(): Promise<Snapshot> {
    return this.#alone(async () => ({
      update: this.#update,
      seconds: this.#update / 8,
      weights: Uint8Array.of(this.#sum),
      optimizer: Uint8Array.of(1),
    }));
  }

  modelFiles(): Promise<Record<string, Uint8Array<ArrayBuffer>>> {
    return this.#alone(async () => ({ "model.safetensors": Uint8Array.of(this.#sum) }));
  }

  trainGate(config: GateConfig, onProgress: (done: number, of: number) => boolean): Promise<Gate> {
    return this.#alone(async () => {
      this.wasm.gateConfigs.push(config);
      const updates = config.updates ?? 3;
      for (let done = 1; done <= updates; done++) {
        await pass();
        if (!onProgress(done, updates)) throw wasmError("aborted", "aborted");
      }
      return { ...NO_GATE, update: updates };
    });
  }

  dispose(): void {
    this.check();
    this.wasm.disposed++;
  }

  /** As an object of wasm-bindgen that is borrowed to be changed. */
  #alone<R>(call: () => Promise<R>): Promise<R> {
    if (this.running) throw new Error("recursive use of an object detected");
    return this.borrowed(call);
  }
}

const NO_UPDATE: Omit<Update, "update" | "loss"> = {
  stepLosses: [1, 1],
  entropy: 0,
  expectedSteps: 1,
  gradientNorm: 1,
  learningRate: 1,
  tokensPerSecond: 1,
  seconds: 1,
  secondsLeft: 1,
};

const NO_EVALUATION: Omit<Evaluation, "update"> = {
  samples: 1,
  targets: 1,
  stepLosses: [1, 1],
  accuracy: [0, 1],
  entropy: 0,
  expectedSteps: 1,
  difficulties: [],
  figures: [],
};

const NO_GATE: Omit<Gate, "update"> = {
  lossBefore: 1,
  lossAfter: 0,
  fullAccuracy: 1,
  sweep: [],
  rankCorrelation: 1,
  q: 0.5,
  exitSteps: [1, 2],
};
