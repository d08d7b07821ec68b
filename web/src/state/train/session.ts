import { signal } from "@preact/signals";
import { type Checkpoint, Trainer, type TrainerState } from "looplm";
import { addMetric, goBack } from "../../model/train/history.ts";
import type { ModelFiles } from "../../model/train/files.ts";
import { activate, addRun, dropRun, findRun, isWorking, patchRun, runs, touch } from "./runs.ts";
import { checkpointOf, forget, hold, keep, kept, type Kept } from "./store.ts";

/** What to do while the tab is hidden; a trainer takes it when it is made. */
export const hiddenTab = signal<"continue" | "pause">("continue");
/** Why the last checkpoint could not be put away, in the browser's words. */
export const storageTrouble = signal<string | undefined>(undefined);
/** Title of the run that has last made room for a newer one. */
export const madeRoom = signal<string | undefined>(undefined);

/** There is one trainer at a time: two would only halve each other's speed. */
let live: { id: string; trainer: Trainer; letGo: () => Promise<void> } | undefined;
/** Checkpoints that the browser's storage did not take. */
const inMemory = new Map<string, Checkpoint>();
/** Exported models, until their run goes on. */
const models = new Map<string, ModelFiles>();

/** The trainer of a run: the one there is, or one made from the run's checkpoint. */
export async function trainerOf(id: string, signal: AbortSignal): Promise<Trainer> {
  if (live?.id === id) return live.trainer;
  await release();
  const run = findRun(id)!;
  const letGo = await hold(id);
  if (!letGo) throw Object.assign(new Error("another tab has it"), { code: "run-elsewhere" });
  try {
    const resume = inMemory.get(id) ?? (run.savedAt === undefined ? undefined : await checkpointOf(id));
    if (run.savedAt !== undefined && !resume)
      throw Object.assign(new Error("no checkpoint of it is left"), { code: "run-lost" });
    const every = Math.max(1, Math.ceil(run.config.run.updates / 20));
    const trainer = await Trainer.create(run.config, {
      signal,
      resume,
      hiddenTab: hiddenTab.value,
      checkpointEvery: Math.min(run.config.run.checkpoint_every || every, every),
      onMetrics: (metric) => {
        addMetric(run.history, metric);
        touch();
      },
      onState: (state) => onState(id, state),
      onCheckpoint: (checkpoint) => void putAway(id, checkpoint),
    });
    const { config, parameters, memoryBytes, difficulties } = trainer.info;
    goBack(run.history, resume?.update ?? 0);
    patchRun(id, {
      config,
      facts: { parameters, memoryBytes, difficulties },
      update: resume?.update ?? 0,
    });
    live = { id, trainer, letGo };
    return trainer;
  } catch (thrown) {
    await letGo();
    throw thrown;
  }
}

/** The trainer of a run if there is one at work or at rest. */
export function liveTrainer(id: string): Trainer | undefined {
  return live?.id === id ? live.trainer : undefined;
}

/** Gives the GPU's memory back. Whatever had the trainer has been put away before. */
export async function release(): Promise<void> {
  const before = live;
  live = undefined;
  try {
    await before?.letGo();
    await before?.trainer.dispose();
  } catch (thrown) {
    // That it could not be freed in order is no trouble of what comes next: the console has it.
    reportError(thrown);
  }
}

function onState(id: string, { status, update, restarts }: TrainerState): void {
  const run = findRun(id);
  if (!run) return;
  if (status === "recovering") goBack(run.history, update);
  // How a run ends, and what a person asked for meanwhile, is told by whoever waits for it.
  const told = status === "running" || status === "hidden" || status === "recovering";
  const follows = told && isWorking(run) && run.status !== "pausing" && run.status !== "finishing";
  patchRun(id, { update, restarts, ...(follows ? { status } : {}) });
  touch();
}

let putting: Promise<void> = Promise.resolve();

/**
 * Puts a checkpoint away, one after the other; if the browser will not have it, keeps it as long as the page.
 * @param over how the run has ended, if it has
 */
export function putAway(id: string, checkpoint: Checkpoint, over?: Kept["over"]): Promise<void> {
  putting = putting.then(async () => {
    const run = findRun(id);
    if (!run) return;
    const savedAt = Date.now();
    const { title, facts, history } = run;
    const { update, seconds, config } = checkpoint;
    try {
      const gone = await keep(
        { id, title, config, update, seconds, over, facts, history, savedAt },
        checkpoint,
      );
      for (const other of gone) takeOut(other);
      inMemory.delete(id);
      storageTrouble.value = undefined;
      patchRun(id, { savedAt });
    } catch (thrown) {
      inMemory.set(id, checkpoint);
      storageTrouble.value = thrown instanceof Error ? thrown.message : String(thrown);
    }
  });
  return putting;
}

/** Takes a run off the list that has made room in the browser's storage: it cannot go on. */
function takeOut(id: string): void {
  const run = findRun(id);
  // What lies in memory as well can.
  if (!run || inMemory.has(id)) return;
  dropRun(id);
  models.delete(id);
  madeRoom.value = run.title;
}

/** The files of a run's model as it is now. */
export async function modelOf(id: string, signal: AbortSignal): Promise<ModelFiles> {
  const known = models.get(id);
  if (known) return known;
  const files = await (await trainerOf(id, signal)).export();
  models.set(id, files);
  return files;
}

/** A run goes on, or its gate was taught: its exported model is an old one. */
export function outdateModel(id: string): void {
  models.delete(id);
}

/** Removes a run, its checkpoint and its trainer. */
export async function discard(id: string): Promise<void> {
  // First: whoever waits for the run finds that it is gone.
  dropRun(id);
  if (live?.id === id) await release();
  await putting;
  inMemory.delete(id);
  models.delete(id);
  try {
    await forget(id);
  } catch (thrown) {
    reportError(thrown);
  }
}

/** Brings back what earlier visits left, and shows the newest. */
export async function recallKept(): Promise<void> {
  let found: Kept[];
  try {
    found = await kept();
  } catch {
    // No storage, nothing kept: saving will say so, where it matters.
    return;
  }
  for (const { id, title, config, update, over, facts, history, savedAt } of found.reverse()) {
    if (runs.value.some((run) => run.id === id)) continue;
    const status = over ?? "kept";
    addRun({ id, title, config, status, update, facts, history, savedAt, overlaid: false });
  }
  const newest = runs.value.findLast((run) => run.savedAt !== undefined);
  if (newest && !runs.value.some(isWorking)) activate(newest.id);
}
