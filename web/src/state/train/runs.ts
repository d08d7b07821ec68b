import { computed, signal } from "@preact/signals";
import type { TrainConfig, TrainerInfo } from "looplm";
import type { Explanation } from "../../model/errors.ts";
import { emptyHistory, type History } from "../../model/train/history.ts";

/**
 * What a run is doing. `kept`: it lies in this browser's storage from an earlier visit. `finishing`: its last evaluation
 * and checkpoint are being made.
 */
export type RunStatus =
  | "preparing"
  | "running"
  | "hidden"
  | "recovering"
  | "pausing"
  | "finishing"
  | "paused"
  | "stopped"
  | "done"
  | "failed"
  | "kept";

/** What stays of the trainer's facts when the trainer is gone. */
export type RunFacts = Pick<TrainerInfo, "parameters" | "memoryBytes" | "difficulties">;

/** A run on this page, under way or over. */
export interface Run {
  id: string;
  /** Title of the preset it began as. */
  title: string;
  config: TrainConfig;
  status: RunStatus;
  /** Updates done. */
  update: number;
  /** Grows in place; whoever draws it reads `drawn` as well. */
  history: History;
  facts: RunFacts | undefined;
  error: Explanation | undefined;
  /** Times it began again because the GPU went away. */
  restarts: number;
  /** Whether the charts show it beside the chosen one. */
  overlaid: boolean;
  /** When it was last put away, in milliseconds since 1970; undefined if it never was. */
  savedAt: number | undefined;
}

export const runs = signal<readonly Run[]>([]);
const activeId = signal<string | undefined>(undefined);

/** The run that the controls are about and the charts show in full. */
export const active = computed<Run | undefined>(() => runs.value.find((run) => run.id === activeId.value));

const WORKING: ReadonlySet<RunStatus> = new Set([
  "preparing",
  "running",
  "hidden",
  "recovering",
  "pausing",
  "finishing",
]);

/** Whether a run has the GPU just now. */
export const isWorking = (run: Run) => WORKING.has(run.status);
export const working = computed<Run | undefined>(() => runs.value.find(isWorking));

/** Runs drawn beside the active one. */
export const overlays = computed<readonly Run[]>(() =>
  runs.value.filter((run) => run.overlaid && run.id !== activeId.value),
);

export function addRun(fields: Pick<Run, "title" | "config"> & Partial<Run>): Run {
  const run: Run = {
    id: crypto.randomUUID(),
    status: "preparing",
    update: 0,
    history: emptyHistory(),
    facts: undefined,
    error: undefined,
    restarts: 0,
    overlaid: true,
    savedAt: undefined,
    ...fields,
  };
  runs.value = [...runs.value, run];
  return run;
}

export function patchRun(id: string, fields: Partial<Omit<Run, "id" | "history">>): void {
  runs.value = runs.value.map((run) => (run.id === id ? { ...run, ...fields } : run));
}

export function dropRun(id: string): void {
  runs.value = runs.value.filter((run) => run.id !== id);
  if (activeId.value === id) activeId.value = runs.value.at(-1)?.id;
}

export function findRun(id: string): Run | undefined {
  return runs.value.find((run) => run.id === id);
}

/** Makes a run the one that is shown in full. */
export function activate(id: string | undefined): void {
  activeId.value = id;
}

/** Counts the drawings: metrics come more often than a screen, or a person, can take them. */
export const drawn = signal(0);

const SHORTEST_MS = 120;
let asked = false;
let lastDrawn = 0;

/** Asks for a drawing at the next frame that is not too soon. */
export function touch(): void {
  if (asked) return;
  asked = true;
  requestAnimationFrame(function look(now) {
    if (now - lastDrawn < SHORTEST_MS) return void requestAnimationFrame(look);
    asked = false;
    lastDrawn = now;
    drawn.value++;
  });
}
