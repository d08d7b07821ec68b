import type { Evaluation, Gate, TrainMetric, Update } from "looplm";

/** Most updates and evaluations kept: a longer run keeps every second, then every fourth, and so on. */
const MOST_UPDATES = 4096;
const MOST_EVALUATIONS = 512;

/** What a run has told of itself so far. Thinned as it grows, so that a long run takes no more memory. */
export interface History {
  updates: Update[];
  /** Only every so many updates are kept. */
  every: number;
  /** The newest update, kept or not. */
  last: Update | undefined;
  evaluations: Evaluation[];
  gate: Gate | undefined;
}

export function emptyHistory(): History {
  return { updates: [], every: 1, last: undefined, evaluations: [], gate: undefined };
}

/** Takes in a metric, in place: it comes many times a second. */
export function addMetric(history: History, metric: TrainMetric): void {
  switch (metric.kind) {
    case "update":
      addUpdate(history, metric);
      break;
    case "evaluation":
      // A run evaluated again at the same place (after gate training, say) replaces what was known.
      history.evaluations = history.evaluations.filter((e) => e.update < metric.update);
      history.evaluations.push(metric);
      if (history.evaluations.length > MOST_EVALUATIONS)
        history.evaluations = history.evaluations.filter((_, i, all) => i % 2 === (all.length - 1) % 2);
      break;
    case "gate":
      history.gate = metric;
      break;
  }
}

function addUpdate(history: History, update: Update): void {
  history.last = update;
  // It was taught on other weights.
  history.gate = undefined;
  if ((update.update - 1) % history.every !== 0) return;
  history.updates.push(update);
  if (history.updates.length <= MOST_UPDATES) return;
  history.every *= 2;
  history.updates = history.updates.filter((u) => (u.update - 1) % history.every === 0);
}

/** Forgets what came after `update`, which the run is about to do again. */
export function goBack(history: History, update: number): void {
  history.updates = history.updates.filter((u) => u.update <= update);
  history.evaluations = history.evaluations.filter((e) => e.update <= update);
  if (!history.last || history.last.update <= update) return;
  history.last = history.updates.at(-1);
  history.gate = undefined;
}

/** Steps that the metrics tell of. */
export function stepsOf(history: History): number {
  const fromUpdates = history.updates.reduce((most, u) => Math.max(most, u.stepLosses.length), 0);
  return Math.max(fromUpdates, history.evaluations.at(-1)?.accuracy.length ?? 0);
}

/** Reads a history that was put away, or gives an empty one where it is none. */
export function readHistory(stored: unknown): History {
  const { updates, every, last, evaluations, gate } = Object(stored) as Partial<History>;
  if (!Array.isArray(updates) || !Array.isArray(evaluations)) return emptyHistory();
  return {
    updates,
    every: typeof every === "number" && every >= 1 ? every : 1,
    last: last ?? updates.at(-1),
    evaluations,
    gate: gate ?? undefined,
  };
}
