import { signal } from "@preact/signals";
import type { TrainConfig } from "looplm";
import { errorCode, explain } from "../../model/errors.ts";
import { withoutLoop } from "../../model/train/fields.ts";
import { noWebGpu } from "../model.ts";
import { activate, addRun, dropRun, findRun, isWorking, patchRun, type Run, touch, working } from "./runs.ts";
import { discard, liveTrainer, modelOf, outdateModel, putAway, release, trainerOf } from "./session.ts";
import { config, preset, refuse } from "./setup.ts";

/** The run whose twin without the loop follows when it is over. */
export const twinWanted = signal<string | undefined>(undefined);

/** Ends the making of a trainer. */
let making = new AbortController();
/** What a person asked of the run under way. */
let wish: "pause" | "stop" | undefined;

/** Begins the run that is set up. Only ever by a person's hand. */
export async function train(): Promise<void> {
  if (!config.value || !preset.value || working.value) return;
  await begin(preset.value.title, config.value);
}

async function begin(title: string, wanted: TrainConfig): Promise<void> {
  const run = addRun({ title, config: structuredClone(wanted) });
  await advance(run.id, "run");
}

/** Goes on with a run that rests. */
export async function resume(id: string): Promise<void> {
  if (!working.value) await advance(id, "run");
}

/** Makes one update. */
export async function step(id: string): Promise<void> {
  if (!working.value) await advance(id, "step");
}

/** Lets the update under way end and then rests. */
export function pause(): void {
  want("pause");
}

/** Ends the run here: evaluates it and keeps its model. */
export function stop(): void {
  want("stop");
}

function want(what: "pause" | "stop"): void {
  const run = working.value;
  if (!run || run.status === "finishing") return;
  wish = what;
  if (run.status === "preparing" && what === "stop") making.abort();
  patchRun(run.id, { status: "pausing" });
  liveTrainer(run.id)?.pause();
}

/** Throws a run away. */
export async function reset(id: string): Promise<void> {
  if (working.value?.id === id) {
    making.abort();
    wish = "pause";
  }
  if (twinWanted.value === id) twinWanted.value = undefined;
  await discard(id);
}

/** Trains the same parameters without the loop: at once, or after the run under way. */
export async function trainTwin(id: string): Promise<void> {
  if (working.value) {
    twinWanted.value = twinWanted.value === undefined ? id : undefined;
    return;
  }
  const run = findRun(id);
  if (run) await begin(run.title, withoutLoop(run.config));
}

async function advance(id: string, how: "run" | "step"): Promise<void> {
  making = new AbortController();
  wish = undefined;
  activate(id);
  outdateModel(id);
  const hadFailed = findRun(id)?.status === "failed";
  patchRun(id, { status: "preparing", error: undefined });
  try {
    // Its trainer is of no more use; another begins at the last checkpoint.
    if (hadFailed) await release();
    const trainer = await trainerOf(id, making.signal);
    let over: "done" | "stopped" | undefined;
    // Not asked anything while the trainer was made; narrowing does not see that it may have been.
    if ((wish as typeof wish | undefined) === undefined) {
      patchRun(id, { status: "running" });
      if (how === "step") await trainer.step();
      else if ((await trainer.run()).reason === "done") over = "done";
    }
    const run = findRun(id);
    if (!run) return;
    if (run.update >= trainer.info.updates) over = "done";
    if (wish === "stop") over ??= "stopped";
    await settle(run, over);
  } catch (thrown) {
    failed(id, thrown);
    return;
  }
  await followUp(id);
}

/** Keeps what the run has come to; at its end evaluates it as well. */
async function settle({ id, history }: Run, over: "done" | "stopped" | undefined): Promise<void> {
  const trainer = liveTrainer(id);
  if (!trainer) return;
  patchRun(id, { status: "finishing" });
  const checkpoint = await trainer.checkpoint();
  if (over && checkpoint.update > 0 && history.evaluations.at(-1)?.update !== checkpoint.update)
    await trainer.evaluate();
  if (over) await modelOf(id, making.signal);
  // Only now: what is said to rest can be left.
  await putAway(id, checkpoint, over);
  patchRun(id, { status: over ?? "paused", update: checkpoint.update });
  touch();
}

/** The twin that was asked for while the run was under way. */
async function followUp(id: string): Promise<void> {
  const run = findRun(id);
  if (twinWanted.value !== id || (run?.status !== "done" && run?.status !== "stopped")) return;
  twinWanted.value = undefined;
  await trainTwin(id);
}

function failed(id: string, thrown: unknown): void {
  const run = findRun(id);
  if (!run) return;
  const code = errorCode(thrown);
  if (code === "aborted") {
    if (run.update === 0) dropRun(id);
    else patchRun(id, { status: "paused" });
    return;
  }
  if (code === "webgpu-unavailable" && run.update === 0) {
    // The page's own words about it say how to get WebGPU.
    dropRun(id);
    noWebGpu.value = true;
    return;
  }
  const { details } = Object(thrown) as { details?: { field?: unknown; argument?: unknown } };
  const field = details?.field ?? details?.argument;
  const { message } = explain(thrown);
  if (run.update === 0 && typeof field === "string" && refuse(field, message)) {
    dropRun(id);
    return;
  }
  patchRun(id, { status: "failed", error: explain(thrown) });
}

/** Whether any of a run's actions can be taken now. */
export const canAct = (run: Run) => !isWorking(run) && working.value === undefined;
