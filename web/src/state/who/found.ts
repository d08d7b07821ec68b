import { computed, signal } from "@preact/signals";
import { exitMeans, type Found } from "../../model/who/means.ts";
import { q, shownSteps } from "../view.ts";

/** The words that the model has found since it was opened, by the sentence and the steps it had. */
const sentences = signal<ReadonlyMap<string, { steps: number; words: readonly Found[] }>>(new Map());

/** Those of the sentences that had as many steps as what is shown: others do not compare. */
const comparable = computed(() => [...sentences.value.values()].filter((s) => s.steps === shownSteps.value));
/** Sentences that are compared. */
export const compared = computed(() => comparable.value.length);
export const means = computed(() =>
  exitMeans(
    comparable.value.flatMap(({ words }) => words),
    q.value,
    shownSteps.value,
  ),
);

/** Notes the words of a sentence; one that was asked before counts once. */
export function note(sentence: string, steps: number, words: readonly Found[]): void {
  sentences.value = new Map(sentences.value).set(`${steps} ${sentence}`, { steps, words });
}

export function forget(): void {
  sentences.value = new Map();
}
