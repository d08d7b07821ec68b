import type { PositionTrace, SweepPoint } from "looplm";
import { cumulate, exitStep } from "../exit.ts";
import type { Question, WhoTask } from "../who/task.ts";
import { promptOf } from "../who/task.ts";

/** What every step said where a question's answer stands. */
export interface Traced {
  hops: number;
  cumulated: Float32Array;
  /** Whether each step was right, `right[0]` being step 1. */
  right: readonly boolean[];
}

/** Reads the trace of a question's last word, whose best token is the answer. */
export function traced(position: PositionTrace, answer: string, hops: number): Traced {
  return {
    hops,
    cumulated: cumulate(position.steps.map(({ probability }) => probability)),
    right: position.steps.map(({ top }) => top?.[0]?.text.trim() === answer),
  };
}

/** The thresholds of the curve. */
export const THRESHOLDS: readonly number[] = Array.from({ length: 96 }, (_, i) => (i + 5) / 100);

/** Accuracy and mean exit step at a threshold `q`. */
export function pointAt(all: readonly Traced[], q: number): SweepPoint {
  let steps = 0;
  let right = 0;
  for (const one of all) {
    const exit = exitStep(one.cumulated, q);
    steps += exit;
    if (one.right[exit - 1]) right++;
  }
  const n = Math.max(all.length, 1);
  return { q, meanSteps: steps / n, accuracy: right / n };
}

export function curveOf(all: readonly Traced[]): SweepPoint[] {
  return THRESHOLDS.map((q) => pointAt(all, q));
}

/** Accuracy of the last step. */
export function fullAccuracy(all: readonly Traced[]): number {
  return pointAt(all, 1).accuracy;
}

/**
 * The sample questions, and random others, as many for each number of hops.
 *
 * @param count of the random ones
 * @param random gives numbers from 0 up to 1
 */
export function questionsToMeasure(
  task: WhoTask,
  count: number,
  random: () => number = Math.random,
): Question[] {
  const pick = <T>(list: readonly T[]): T =>
    list[Math.min(Math.floor(random() * list.length), list.length - 1)]!;
  const questions = new Map(task.samples.map(({ question }) => [promptOf(question), question]));
  const wanted = questions.size + count;
  // Small tasks have no more: it gives up after a while.
  for (let tries = 0; questions.size < wanted && tries < 20 * count; tries++) {
    const hops = (tries % task.hops) + 1;
    const path = Array.from({ length: hops }, () => pick(task.relations));
    const question = { person: pick(task.names), path };
    questions.set(promptOf(question), question);
  }
  return [...questions.values()];
}

/** Where the page's q stands against all steps, in a sentence. */
export function curveSentence(point: SweepPoint, full: number, steps: number): string {
  const percent = (p: number) => `${Math.round(p * 100)} %`;
  const lost = full - point.accuracy;
  const kept =
    Math.abs(lost) < 0.005
      ? "as many names right as all steps"
      : lost > 0
        ? `${percent(point.accuracy)} of the names right, where all steps get ${percent(full)}`
        : `${percent(point.accuracy)} of the names right, more than the ${percent(full)} of all steps`;
  return `At q = ${point.q.toFixed(2)} a name leaves after ${point.meanSteps.toFixed(2)} of ${steps} steps on average, with ${kept}.`;
}
