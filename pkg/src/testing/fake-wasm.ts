import type { ChatModule } from "../chat-module.js";
import type { Surroundings } from "../direct-engine.js";
import type { Finish, ForwardResult, GeneratedToken, LoadProgress, ModelInfo } from "../types.js";
import { FakeConverter } from "./fake-converter.js";
import type { WasmModule } from "../wasm-module.js";
import type {
  ChatSource,
  FileSource,
  ForwardConfig,
  Generation,
  GenerateConfig,
  LoadConfig,
  Model,
  Tunings,
} from "../wasm/looplm.js";

/** An error as the wasm side throws it. */
export function wasmError(code: string, message: string, details?: object): Error {
  return Object.assign(new Error(message), { code, details });
}

/** One turn of the event loop: what a pass costs here. */
export function pass(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}

/** What tests can see and set of a fake module. */
export class FakeWasm implements WasmModule {
  /** Generations not closed yet. */
  open = 0;
  /** Passes run, over all generations. */
  passes = 0;
  disposed = 0;
  /** Objects in the wasm's memory, models and generations. */
  objects = 0;
  /** The device of the model that was loaded last. */
  device = new FakeDevice();
  /** Thrown by the next load, and those after it. */
  loadFailure: Error | undefined;
  /** Thrown by the next pass. */
  failure: Error | undefined;
  loaded: { config: LoadConfig; configJson: string | null } | undefined;
  /** What generations were given. */
  configs: GenerateConfig[] = [];
  readonly Conversion = new FakeConverter();
  /** Awaited at the end of a load. */
  beforeReady: Promise<void> | undefined;
  /** Where the module that runs chat templates was loaded from. */
  chatLoads: (string | undefined)[] = [];

  /** For an engine on this module. */
  readonly surroundings: Surroundings = {
    requireAdapter: async () => undefined,
    loadWasm: async () => this,
    loadChatWasm: async (wasmUrl) => {
      this.chatLoads.push(wasmUrl);
      return FAKE_CHAT;
    },
  };

  readonly Model = {
    load: async (
      source: FileSource,
      config: LoadConfig,
      onProgress: (progress: LoadProgress) => void,
      signal: AbortSignal | undefined,
    ): Promise<Model> => {
      onProgress({ phase: "adapter", loaded: 0, total: 0 });
      if (this.loadFailure !== undefined) throw this.loadFailure;
      const configJson = await readText(source, "config.json");
      if (configJson === null) {
        throw wasmError("checkpoint-invalid", "config.json is missing", {
          kind: "missing-file",
          file: "config.json",
        });
      }
      for (let loaded = 0; loaded <= 2; loaded++) {
        if (signal?.aborted) throw wasmError("aborted", "aborted");
        onProgress({ phase: "weights", loaded, total: 2, file: "model.safetensors" });
        await pass();
      }
      await this.beforeReady;
      if (signal?.aborted) throw wasmError("aborted", "aborted");
      onProgress({ phase: "ready", loaded: 2, total: 2 });
      this.loaded = { config, configJson };
      this.device = new FakeDevice();
      return new FakeModel(this) as unknown as Model;
    },
  };

  /** As the wasm side: the signal is asked before a pass and not after it. */
  async run(signal: AbortSignal | undefined, device: FakeDevice): Promise<void> {
    if (signal?.aborted) throw wasmError("aborted", "aborted");
    await pass();
    device.check();
    this.passes++;
    if (this.failure !== undefined) throw this.failure;
  }
}

/** A device, until a test takes it away. */
export class FakeDevice {
  /** Why it was lost; pending before. */
  readonly lost: Promise<string>;
  #reason: string | undefined;
  #tell!: (reason: string) => void;

  constructor() {
    this.lost = new Promise((resolve) => (this.#tell = resolve));
  }

  /** Takes it away. `quietly`: only the next call finds out. */
  lose(reason = "taken away", quietly = false): void {
    this.#reason = reason;
    if (!quietly) this.#tell(reason);
  }

  check(): void {
    const reason = this.#reason;
    if (reason !== undefined) throw wasmError("device-lost", `the device was lost (${reason})`, { reason });
  }
}

/** An object in the wasm's memory: as wasm-bindgen's, of no use once freed, and not to be freed while a call runs. */
export class FakeObject<W extends { objects: number } = FakeWasm> {
  protected readonly wasm: W;
  #running = 0;
  #freed = false;

  constructor(wasm: W) {
    this.wasm = wasm;
    wasm.objects++;
  }

  free(): void {
    this.check();
    if (this.running) throw new Error("attempted to take ownership of Rust value while it was borrowed");
    this.#freed = true;
    this.wasm.objects--;
  }

  protected get running(): boolean {
    return this.#running > 0;
  }

  protected check(): void {
    if (this.#freed) throw new Error("null pointer passed to rust");
  }

  /** A call that takes a while. */
  protected async borrowed<R>(call: () => Promise<R>): Promise<R> {
    this.check();
    this.#running++;
    try {
      return await call();
    } finally {
      this.#running--;
    }
  }
}

/** The module that runs chat templates. Its one template joins the messages, and the options after them. */
const FAKE_CHAT: ChatModule = {
  chatPrompt(_source, messages, options) {
    if (messages.some(({ role }) => role === "nobody")) {
      throw wasmError("chat-template-missing", "no chat template; use generate with a prompt of your own");
    }
    return messages.map(({ content }) => content).join(" ") + JSON.stringify(options).replaceAll(" ", "");
  },
};

/** A model which continues every prompt with its last id plus one, plus two, ... */
class FakeModel extends FakeObject implements Omit<Model, "generate"> {
  readonly #device: FakeDevice;

  constructor(wasm: FakeWasm) {
    super(wasm);
    this.#device = wasm.device;
  }

  tunings(): Tunings {
    this.check();
    return { "fake adapter": { lanes: 64, outputsOfOne: 4 } };
  }

  info(): ModelInfo {
    this.check();
    return FAKE_INFO;
  }

  tokenize(text: string, addSpecialTokens: boolean): Uint32Array {
    this.check();
    const ids = text.split(" ").map((word) => word.length);
    return Uint32Array.from(addSpecialTokens ? [1, ...ids] : ids);
  }

  detokenize(ids: Uint32Array, skipSpecialTokens: boolean): string {
    this.check();
    return [...ids].filter((id) => !skipSpecialTokens || id !== 1).join(" ");
  }

  tokenText(id: number): string {
    this.check();
    return `t${id}`;
  }

  chatSource(): ChatSource {
    this.check();
    return { template: "fake", bos_token: "", eos_token: "" };
  }

  async generate(ids: Uint32Array, config: GenerateConfig): Promise<Generation> {
    return this.borrowed(
      async () => new FakeGeneration(this.wasm, ids, config, this.#device) as unknown as Generation,
    );
  }

  async forward(
    ids: Uint32Array,
    config: ForwardConfig,
    signal: AbortSignal | undefined,
  ): Promise<ForwardResult> {
    await this.borrowed(() => this.wasm.run(signal, this.#device));
    const steps = config.steps ?? 4;
    const exitPdf = new Float32Array(steps * ids.length).fill(1 / steps);
    return { ids, steps, exitLambda: exitPdf.slice(), exitPdf, exitSteps: [...ids].map(() => steps) };
  }

  lost(): Promise<string> {
    this.check();
    return this.#device.lost;
  }

  dispose(): Promise<void> {
    return this.borrowed(async () => {
      if (this.wasm.open > 0) throw wasmError("internal", "disposed with open generations");
      await pass();
      this.wasm.disposed++;
      this.#device.lose("destroyed");
    });
  }
}

/** Refuses overlapping calls, as an object of wasm-bindgen does. Where it verifies, step 1 guesses right. */
class FakeGeneration extends FakeObject implements Omit<Generation, never> {
  readonly #ids: Uint32Array;
  readonly #config: GenerateConfig;
  readonly #device: FakeDevice;
  readonly #answered: number;
  #new = 0;
  #closed = false;
  #reason: Finish["reason"] = "aborted";

  constructor(wasm: FakeWasm, ids: Uint32Array, config: GenerateConfig, device: FakeDevice) {
    super(wasm);
    this.#device = device;
    this.#answered = config.answered ?? 0;
    this.#ids = ids;
    this.#config = config;
    wasm.configs.push(config);
    wasm.open++;
  }

  async next(signal: AbortSignal | undefined): Promise<GeneratedToken | undefined> {
    this.#alone();
    await this.borrowed(() => this.wasm.run(signal, this.#device));
    if (this.#answered + this.#new === (this.#config.maxNewTokens ?? 3)) {
      this.#reason = "length";
      return undefined;
    }
    this.#new++;
    const id = (this.#ids.at(-1) ?? 0) + this.#new;
    const position = this.#ids.length + this.#new - 1;
    return {
      id,
      text: `t${id} `,
      position,
      exitStep: 1,
      ...(this.#guesses ? { draftStep: 1 } : {}),
      drafts: this.#guesses ? [id + 1] : [],
      exitPdf: [1],
      steps: [{ lambda: 1, probability: 1 }],
    };
  }

  finish(): Finish {
    this.#alone();
    const promptTokens = this.#ids.length - this.#answered;
    const newTokens = this.#answered + this.#new;
    const accepted = this.#guesses ? this.#new : 0;
    const row = (i: number): { position: number; step: number } => ({ position: promptTokens + i, step: 1 });
    return {
      reason: this.#reason,
      promptTokens,
      cachedTokens: 0,
      newTokens,
      passes: 1 + this.#new,
      prefillPasses: 1,
      rowSteps: this.#ids.length + this.#new,
      accepted,
      discarded: 0,
      drafts: accepted > 0 ? [{ step: 1, drafted: accepted, accepted }] : [],
      kvBytes: 8 * (promptTokens + newTokens),
      timeline: this.#config.timeline
        ? Array.from({ length: this.#new }, (_, i) => ({ rows: [row(this.#answered + i)] }))
        : [],
      seconds: 0,
    };
  }

  get #guesses(): boolean {
    return this.#config.verify === "on" || this.#config.verify === "always";
  }

  close(): void {
    this.#alone();
    if (!this.#closed) this.wasm.open--;
    this.#closed = true;
  }

  #alone(): void {
    this.check();
    if (this.running) throw new Error("recursive use of an object detected");
  }
}

/** As the wasm side: of an error in the source it passes on code and message. */
async function readText(source: FileSource, path: string): Promise<string | null> {
  return readAll(source, path).catch(({ code, message }: { code: string; message: string }) => {
    throw wasmError(code, message);
  });
}

async function readAll(source: FileSource, path: string): Promise<string | null> {
  const file = await source.open(path);
  if (file === null) return null;
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const chunk = await file.read();
    if (chunk === null) return text + decoder.decode();
    text += decoder.decode(chunk, { stream: true });
  }
}

export const FAKE_INFO: ModelInfo = {
  architecture: {
    modelType: "ouro",
    vocabSize: 100,
    hiddenSize: 32,
    intermediateSize: 80,
    layers: 2,
    heads: 4,
    kvHeads: 4,
    headDim: 8,
    steps: 4,
    maxPositions: 256,
    tiedHead: false,
    ropeTheta: 1e6,
    rmsNormEps: 1e-6,
    parameters: 1000,
  },
  format: "stored",
  tuning: { lanes: 64, outputsOfOne: 4 },
  memory: { weights: 4000, kvPer1000Tokens: { full: 8, shared: 2 }, workspace: 16 },
  tokenizer: { vocabSize: 100, chatTemplate: true, stopIds: [0] },
  adapter: {
    name: "fake",
    vendor: "fake",
    backend: "fake",
    tier: "baseline",
    limits: { maxStorageBufferBindingSize: 2 ** 27, maxBufferSize: 2 ** 28 },
  },
  contextLength: 256,
  task: null,
  warnings: [],
};
