import { computed, signal } from "@preact/signals";
import { column } from "../model/exit.ts";
import { errorCode, explain, type Explanation } from "../model/errors.ts";
import { ballPlace, label, parseLabel, randomMoves, track, wordsOf } from "../model/shuffle.ts";
import { movesOf, promptProblem } from "../model/task.ts";
import { open, shuffleGame as task } from "./model.ts";
import type { RunState } from "./run.ts";
import { chooseCell, columns, exits, hovered, steps } from "./view.ts";

/** The moves as typed. */
export const prompt = signal("");
export const state = signal<RunState>("idle");
export const error = signal<Explanation | undefined>(undefined);
/** Index of the move the cups are making just now, while they play. */
export const playing = signal<number | undefined>(undefined);
/** The words the columns answer; the box may have changed since. */
export const asked = signal<readonly string[]>([]);

/** What is wrong with the prompt, in a sentence. */
export const problem = computed(() => (task.value ? promptProblem(prompt.value, task.value) : undefined));
/** The arrangements of the asked shuffle, before the first move and after each. */
export const states = computed(() => track(task.value ? movesOf(asked.value.join(" "), task.value) : []));

/** The model's answer about the whole shuffle, at the step the last token leaves. */
export const answer = computed(() => {
  const last = columns.value.at(-1);
  const exit = exits.value.at(-1);
  if (!last || exit === undefined) return undefined;
  return answerAt(columns.value.length - 1, exit);
});

/** What the model says at a column and step: its label, the ball's place by it, and whether that is the truth. */
export function answerAt(index: number, step: number) {
  const said = columns.value[index]?.steps[step - 1]?.top?.[0];
  if (!said) return undefined;
  const cups = parseLabel(said.text);
  const truth = columns.value[index]?.truth;
  return {
    step,
    text: said.text.trim(),
    probability: said.probability,
    cups,
    place: cups ? ballPlace(cups) : undefined,
    right: said.text.trim() === truth,
    truth,
  };
}

let controller: AbortController | undefined;

/** Runs the model on the prompt and shows every step at every move. A newer question replaces an older one. */
export async function ask(): Promise<void> {
  const current = open.value;
  if (!current || !task.value || problem.value !== undefined) return;
  controller?.abort();
  const mine = new AbortController();
  controller = mine;
  state.value = "running";
  error.value = undefined;
  const words = wordsOf(prompt.value);
  const truths = track(movesOf(prompt.value, task.value)).slice(1).map(label);
  try {
    const ids = await current.model.tokenize(words.join(" "));
    const { positions = [] } = await current.model.forward(ids, {
      steps: steps.value,
      trace: { topK: 5 },
      signal: mine.signal,
    });
    if (controller !== mine) return;
    // A tokenizer may put special tokens in front; the moves are the last positions.
    const shown = positions.slice(-words.length);
    const offset = positions.length - shown.length;
    hovered.value = undefined;
    chooseCell(undefined);
    asked.value = words;
    columns.value = shown.map((p, i) =>
      column({
        position: offset + i,
        label: p.text.trim(),
        origin: "label",
        steps: p.steps,
        truth: truths[i]!,
      }),
    );
    state.value = "done";
  } catch (thrown) {
    if (controller !== mine) return;
    if (errorCode(thrown) === "aborted") {
      state.value = columns.value.length > 0 ? "done" : "idle";
      return;
    }
    error.value = explain(thrown);
    state.value = "error";
  }
}

/** Stops the question that is running. */
export function stop(): void {
  controller?.abort();
}

/** Adds a move at the end and asks. */
export function addMove(name: string): void {
  prompt.value = [...wordsOf(prompt.value), name].join(" ");
  void ask();
}

/** Takes the last move away and asks. */
export function removeMove(): void {
  prompt.value = wordsOf(prompt.value).slice(0, -1).join(" ");
  void ask();
}

/** Another shuffle of the same length. */
export function shuffle(): void {
  if (!task.value) return;
  const length = Math.max(wordsOf(prompt.value).length, 1);
  prompt.value = randomMoves(task.value.moves, length).join(" ");
  void ask();
}

/** Makes the shuffle this long: cuts its end off, or goes on at random, so that what was there stays to compare. */
export function setLength(length: number): void {
  if (!task.value) return;
  const words = wordsOf(prompt.value).slice(0, length);
  const more = randomMoves(task.value.moves, length - words.length);
  prompt.value = [...words, ...more].join(" ");
  void ask();
}
