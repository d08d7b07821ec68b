import { computed, signal } from "@preact/signals";
import { LoopLM, type LoadProgress, type ModelInfo } from "looplm";
import { errorCode, explain, type Explanation } from "../model/errors.ts";
import { type Held, loadOptions } from "../model/offers/held.ts";
import { shippedModels } from "../model/shipped.ts";
import { type Task, taskOf } from "../model/task.ts";
import { hasWebGpu } from "../model/webgpu-support.ts";

/** Where a model comes from, and what to call it on the page. */
export interface Source {
  name: string;
  from: string | File[];
  /** How to hold it on the GPU; undefined leaves that to the package. */
  held?: Held;
  /** Whether the browser keeps what it downloads of it; undefined leaves that to the package. */
  keeps?: boolean;
}

/** How an opening goes. */
export interface Opening {
  source: Source;
  progress: LoadProgress;
  /** Whether something had to be downloaded for the cache. */
  downloads: boolean;
}

export interface OpenModel {
  source: Source;
  model: LoopLM;
  info: ModelInfo;
  /** Set where the page has a view for it: the shell game has cups, who is who questions. */
  task: Task | undefined;
}

/** The models that come with the page: whoever has the page has them, and need not keep them a second time. */
export const SHIPPED = shippedModels(MODELS_PRESENT).map((model) => ({ ...model, keeps: false }));
/** The one that is opened by itself. */
export const FIRST: Source = SHIPPED[0]!;

/** Whether two sources are the same model, however each is to be held. */
export function sameModel(one: Source | undefined, other: Source | undefined): boolean {
  return one !== undefined && one.from === other?.from;
}

/** Whether a model is one of those that come with the page. */
export function isShipped(source: Source | undefined): boolean {
  return SHIPPED.some((shipped) => sameModel(shipped, source));
}

/** From so many bytes of weights on, a model makes room before another is opened: few GPUs hold two of these. */
const MAKES_ROOM = 512 * 2 ** 20;

/** Whether a model is closed before another is opened. */
export function makesRoom(current: OpenModel | undefined): boolean {
  return (current?.info.memory.weights ?? 0) >= MAKES_ROOM;
}

/** The model in use. It stays while another is being opened, and if that fails. */
export const open = signal<OpenModel | undefined>(undefined);
/** The model being opened. */
export const opening = signal<Opening | undefined>(undefined);
/** Why the last opening failed. */
export const openError = signal<(Explanation & { source: Source }) | undefined>(undefined);
/** No WebGPU, or no adapter behind it: nothing can run here. */
export const noWebGpu = signal(!hasWebGpu());

/** The open model's task, if it is the shell game. */
export const shuffleGame = computed(() => {
  const task = open.value?.task;
  return task?.kind === "track-the-shuffle" ? task : undefined;
});
/** The open model's task, if it is who is who. */
export const whoIsWho = computed(() => {
  const task = open.value?.task;
  return task?.kind === "who-is-who" ? task : undefined;
});

/** The steps the open model was trained with. */
export const trainedSteps = computed(() => open.value?.info.architecture.steps ?? 4);

let current: AbortController | undefined;

/**
 * Opens a model and, once it is ready, closes the one before it; a large one is closed first. Opening another cancels the
 * first.
 */
export async function openModel(source: Source): Promise<void> {
  current?.abort();
  const controller = new AbortController();
  current = controller;
  openError.value = undefined;
  opening.value = { source, progress: { phase: "adapter", loaded: 0, total: 0 }, downloads: false };
  try {
    if (makesRoom(open.value)) await closeOpen();
    const model = await LoopLM.load(source.from, {
      ...(source.held && loadOptions(source.held)),
      ...(source.keeps !== undefined && { cache: source.keeps }),
      signal: controller.signal,
      onProgress: (progress) => {
        if (current !== controller) return;
        const downloads = opening.value?.downloads === true || progress.phase === "download";
        opening.value = { source, progress, downloads };
      },
    });
    // Given up, or replaced by another, just when it was ready.
    if (controller.signal.aborted) return await close(model);
    const before = open.value;
    open.value = { source, model, info: model.info, task: taskOf(model.info) };
    await close(before?.model);
  } catch (thrown) {
    if (current !== controller || errorCode(thrown) === "aborted") return;
    if (errorCode(thrown) === "webgpu-unavailable" && open.value === undefined) noWebGpu.value = true;
    openError.value = { ...explain(thrown), source };
  } finally {
    if (current === controller) opening.value = undefined;
  }
}

/** Gives up opening a model. */
export function cancelOpening(): void {
  current?.abort();
  current = undefined;
  opening.value = undefined;
}

/** Frees the open model's memory first, for a GPU that cannot hold two, and then opens another. */
export async function replaceModel(source: Source): Promise<void> {
  await closeOpen();
  await openModel(source);
}

async function closeOpen(): Promise<void> {
  const before = open.value;
  open.value = undefined;
  await close(before?.model);
}

/** Disposes a model nobody needs any more. That it fails is no failure of the one being opened: the console has it. */
async function close(model: LoopLM | undefined): Promise<void> {
  try {
    await model?.dispose();
  } catch (thrown) {
    reportError(thrown);
  }
}
