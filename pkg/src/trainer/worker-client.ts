import { CallClient, workerNotStarted } from "../call-client.js";
import type { WorkerLike } from "../channel.js";
import { startWorkerAt, workerElsewhere } from "../start-worker.js";
import {
  trainerDisposedError,
  type CreateRequest,
  type Halt,
  type ModelFiles,
  type TrainerEngine,
  type TrainerNotice,
} from "./engine.js";
import type { TrainerCalls } from "./protocol.js";
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

/** The run in a Worker: the page's half of the protocol. */
export class TrainerClient implements TrainerEngine {
  readonly #client: CallClient<TrainerCalls, GateProgress, TrainerNotice>;
  #disposed: Promise<void> | undefined;

  constructor(onNotice: (notice: TrainerNotice) => void, worker: WorkerLike) {
    this.#client = new CallClient(worker, onNotice);
  }

  presets(wasmUrl: string | undefined): Promise<Preset[]> {
    return this.#client.call("presets", { wasmUrl });
  }

  create(request: CreateRequest, signal: AbortSignal): Promise<TrainerInfo> {
    return this.#client.call("create", request, signal);
  }

  run(updates: number | null): Promise<RunResult> {
    return this.#client.call("run", { updates });
  }

  halt(how: Halt): void {
    // A Worker that has ended is not running either; its `run` has been rejected.
    this.#client.call("halt", { how }).catch(() => undefined);
  }

  checkpoint(): Promise<Checkpoint> {
    return this.#client.call("checkpoint", {});
  }

  evaluate(): Promise<Evaluation> {
    return this.#client.call("evaluate", {});
  }

  trainGate(
    config: GateConfig,
    onProgress: (progress: GateProgress) => void,
    signal: AbortSignal,
  ): Promise<Gate> {
    return this.#client.call("trainGate", { config }, signal, onProgress);
  }

  export(): Promise<ModelFiles> {
    return this.#client.call("export", {});
  }

  dispose(): Promise<void> {
    this.#disposed ??= this.#client.end(() => this.#client.call("dispose", {}), trainerDisposedError());
    return this.#disposed;
  }
}

/** Starts the Worker with its script at `workerUrl`, or else beside this package's files. */
export function startWorker(workerUrl?: string): Worker {
  try {
    const url = workerUrl ?? workerElsewhere(import.meta.url);
    if (url !== undefined) return startWorkerAt(url, "looplm-trainer");
    // Bundlers look for exactly this expression.
    return new Worker(new URL("./worker.js", import.meta.url), { type: "module", name: "looplm-trainer" });
  } catch (cause) {
    throw workerNotStarted(cause);
  }
}
