import { runLabel } from "../../model/train/words.ts";
import type { Run } from "../../state/train/runs.ts";

/** A run's name beside others: its number on this page, and what it is. */
export function runName(run: Run, all: readonly Run[]): string {
  return `run ${all.findIndex((other) => other.id === run.id) + 1}: ${runLabel(run.config)}`;
}
