import { signal } from "@preact/signals";
import type { GateConfig, GateProgress } from "looplm";
import { errorCode, explain, type Explanation } from "../../model/errors.ts";
import { findRun, patchRun, working } from "./runs.ts";
import { outdateModel, putAway, trainerOf } from "./session.ts";

/** How far teaching is; undefined while nobody teaches. */
export const teaching = signal<(GateProgress & { run: string }) | undefined>(undefined);
/** Why the last lesson failed, and whose it was. */
export const gateError = signal<{ run: string; error: Explanation } | undefined>(undefined);
/** When leaving is right, for the next lesson. */
export const label = signal<NonNullable<GateConfig["label"]>>("look-ahead");

let controller: AbortController | undefined;

/** Stage II: teaches the gate of a run that rests, and measures what it then gives. */
export async function teachGate(id: string): Promise<void> {
  const run = findRun(id);
  if (!run || working.value || teaching.value) return;
  const mine = new AbortController();
  controller = mine;
  gateError.value = undefined;
  teaching.value = { run: id, done: 0, of: 0 };
  const { status } = run;
  // Nothing else may use the trainer meanwhile.
  patchRun(id, { status: "finishing" });
  try {
    const trainer = await trainerOf(id, mine.signal);
    await trainer.trainGate({
      label: label.value,
      signal: mine.signal,
      onProgress: ({ done, of }) => (teaching.value = { run: id, done, of }),
    });
    outdateModel(id);
    await trainer.evaluate();
    const checkpoint = await trainer.checkpoint();
    await putAway(id, checkpoint, status === "done" || status === "stopped" ? status : undefined);
    patchRun(id, { status });
  } catch (thrown) {
    patchRun(id, { status });
    outdateModel(id);
    // Its trainer goes only with the run: nobody is left to be told.
    const code = errorCode(thrown);
    if (code !== "aborted" && code !== "disposed") gateError.value = { run: id, error: explain(thrown) };
  } finally {
    teaching.value = undefined;
  }
}

/** Ends the lesson; the gate stays as far as it came. */
export function stopTeaching(): void {
  controller?.abort();
}
