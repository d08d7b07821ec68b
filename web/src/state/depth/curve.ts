import { computed, signal } from "@preact/signals";
import {
  curveOf,
  fullAccuracy,
  pointAt,
  questionsToMeasure,
  type Traced,
  traced,
} from "../../model/depth/curve.ts";
import { errorCode, explain, type Explanation } from "../../model/errors.ts";
import { promptOf, trail } from "../../model/who/task.ts";
import { open, whoIsWho } from "../model.ts";
import { q, steps } from "../view.ts";

/** Random questions that are asked besides the samples. */
export const RANDOM_QUESTIONS = 60;

/** What was measured, and with how many steps. */
const answers = signal<{ steps: number; all: readonly Traced[] } | undefined>(undefined);
export const measuring = signal<{ done: number; of: number } | undefined>(undefined);
export const curveError = signal<Explanation | undefined>(undefined);

/** The curve and the place of the page's q on it: moving q asks the model nothing. */
export const curve = computed(() => {
  const measured = answers.value;
  if (!measured || measured.all.length === 0) return undefined;
  return {
    steps: measured.steps,
    questions: measured.all.length,
    sweep: curveOf(measured.all),
    full: fullAccuracy(measured.all),
  };
});
export const point = computed(() => answers.value && pointAt(answers.value.all, q.value));

let controller: AbortController | undefined;

/** Stops measuring; the curve of what was asked so far stays. */
export function stop(): void {
  controller?.abort();
  controller = undefined;
  measuring.value = undefined;
}

/** Forgets the curve of another model. */
export function clear(): void {
  stop();
  answers.value = undefined;
  curveError.value = undefined;
}

/** Runs the questions through all steps once; every q is then read off the traces. */
export async function measure(): Promise<void> {
  const current = open.value;
  const task = whoIsWho.value;
  if (!current || !task) return;
  stop();
  const mine = new AbortController();
  controller = mine;
  curveError.value = undefined;
  const of = steps.value;
  const questions = questionsToMeasure(task, RANDOM_QUESTIONS);
  const all: Traced[] = [];
  try {
    for (const question of questions) {
      measuring.value = { done: all.length, of: questions.length };
      const ids = await current.model.tokenize(promptOf(question));
      const { positions = [] } = await current.model.forward(ids, {
        steps: of,
        trace: { topK: 1 },
        signal: mine.signal,
      });
      if (controller !== mine) return;
      const answer = trail(question, task).at(-1)!;
      all.push(traced(positions.at(-1)!, answer, question.path.length));
      answers.value = { steps: of, all: [...all] };
    }
  } catch (thrown) {
    if (controller === mine && errorCode(thrown) !== "aborted") curveError.value = explain(thrown);
  } finally {
    if (controller === mine) stop();
  }
}
