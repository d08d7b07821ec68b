import type { Evaluation, Gate, TrainConfig } from "looplm";
import { percent, plural } from "../format.ts";
import type { History } from "./history.ts";

/** 95 -> "1 min 35 s"; 7400 -> "2 h 3 min". */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return "–";
  const s = Math.round(seconds);
  if (s < 60) return `${s} s`;
  if (s < 600) return both(Math.floor(s / 60), "min", s % 60, "s");
  const minutes = Math.round(s / 60);
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 600) return both(Math.floor(minutes / 60), "h", minutes % 60, "min");
  return `${Math.round(minutes / 60)} h`;
}

function both(large: number, unit: string, small: number, smaller: string): string {
  return small === 0 ? `${large} ${unit}` : `${large} ${unit} ${small} ${smaller}`;
}

/** A preset's expected time: 0.5 -> "half a minute", 2 -> "about 2 min". */
export function expectedTime(minutes: number): string {
  if (minutes < 0.4) return `about ${Math.max(5, Math.round((minutes * 60) / 5) * 5)} s`;
  if (minutes < 0.75) return "half a minute";
  return `about ${duration(Math.round(minutes) * 60)}`;
}

/** 12345 -> "12,300": a rate, to three figures. */
export function rate(perSecond: number): string {
  return Number(perSecond.toPrecision(3)).toLocaleString("en");
}

/** What to call a run beside others: what differs is what counts. */
export function runLabel(config: TrainConfig): string {
  const steps = config.model.total_ut_steps;
  return steps === 1 ? "T\u00a0=\u00a01" : `looped, T\u00a0=\u00a0${steps}`;
}

/** How far a run is, in a sentence or two for a screen reader: told at evaluations, not at every update. */
export function spokenSummary(history: History, updates: number): string {
  const evaluation = history.evaluations.at(-1);
  if (!evaluation) return "";
  const steps = evaluation.accuracy.map((a, i) => `${percent(a)} at step ${i + 1}`).join(", ");
  return `After ${evaluation.update.toLocaleString("en")} of ${plural(updates, "update")} the accuracy is ${steps}.`;
}

/** What the table of accuracies shows, in a sentence: how far each step reaches. */
export function reachOf({ difficulties, accuracy }: Evaluation, enough = 0.95): string {
  if (difficulties.length < 2 || accuracy.length < 2) return "";
  const reach = accuracy.map((_, step) => {
    const failed = difficulties.findIndex((row) => (row.accuracy[step] ?? 0) < enough);
    return failed === -1 ? difficulties.length : failed;
  });
  const [first, last] = [reach[0]!, reach.at(-1)!];
  const name = (n: number) => (n === 0 ? "nothing yet" : `“${difficulties[n - 1]!.name}”`);
  if (last === 0) return "";
  if (last === first) return `One step is enough for what is solved so far, up to ${name(last)}.`;
  return `One step solves ${first === 0 ? "nothing yet" : `up to ${name(first)}`}; ${accuracy.length} steps solve up to ${name(last)}.`;
}

/** What teaching the gate came to, in a sentence. */
export function gateSummary(gate: Gate, steps: number): string {
  const kept = gate.sweep.find((point) => point.q === gate.q) ?? gate.sweep.at(-1);
  if (!kept) return "";
  const share = percent(kept.meanSteps / steps);
  const rank = gate.exitSteps.length > 1 ? gate.rankCorrelation : 0;
  const later = rank > 0.5 ? ` Harder means later: rank correlation ${rank.toFixed(2)}.` : "";
  return `At q = ${gate.q.toFixed(2)} a token takes ${kept.meanSteps.toFixed(1)} of ${plural(steps, "step")} (${share}) and ${percent(kept.accuracy)} are right; all steps give ${percent(gate.fullAccuracy)}.${later}`;
}
