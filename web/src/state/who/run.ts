import { batch, computed, signal } from "@preact/signals";
import { errorCode, explain, type Explanation } from "../../model/errors.ts";
import { exitMeans } from "../../model/who/means.ts";
import { found, type Part, promptPart, saidPart, type Word } from "../../model/who/sentence.ts";
import { biographyOf, promptOf, type Question, type WhoTask } from "../../model/who/task.ts";
import { type Asked, longest } from "../../model/who/words.ts";
import * as meter from "../depth/meter.ts";
import { decidedBy } from "../depth/settings.ts";
import { open, type OpenModel, whoIsWho } from "../model.ts";
import type { RunState } from "../run.ts";
import { chooseCell, columns, hovered, preferred, q, shownSteps, steps } from "../view.ts";
import { forget, note } from "./found.ts";
import * as builder from "./question.ts";

const TOP = 5;

export const state = signal<RunState>("idle");
export const error = signal<Explanation | undefined>(undefined);
/** What is being answered, or was last. */
export const asked = signal<Asked | undefined>(undefined);
/** The sentence so far. */
export const words = signal<readonly Word[]>([]);
/** The threshold that had the last word about the sentence; undefined where all steps had it, or another rule. */
export const madeWith = signal<number | undefined>(undefined);

/** The place of the name that a question asks for; undefined for a story, and until it is said. */
export const answerPlace = computed(() => {
  const place = words.value.findIndex((word) => word.said && word.kind === "name");
  return asked.value && "question" in asked.value && place >= 0 ? place : undefined;
});

/** Whether the names of this very sentence left later than its other words. */
export const namesTakeLonger = computed(() => {
  const parts = columns.value.flatMap((column, i) =>
    words.value[i] ? [{ word: words.value[i], column }] : [],
  );
  const { pattern, names } = exitMeans(found(parts), q.value, shownSteps.value);
  return pattern.words > 0 && names.words > 0 && names.mean > pattern.mean;
});

let controller: AbortController | undefined;

/** Forgets everything about the model that was open. */
export function clear(): void {
  stop();
  controller = undefined;
  state.value = "idle";
  error.value = undefined;
  asked.value = undefined;
  words.value = [];
  preferred.value = undefined;
  builder.reset();
  forget();
}

/** Stops the answer; what came so far stays. */
export function stop(): void {
  controller?.abort();
}

/** Asks a question, and shows it in the selects. */
export async function ask(question: Question): Promise<void> {
  builder.show(question);
  await answer({ question });
}

/** Lets the model tell what it knows of a person. */
export async function tell(about: string): Promise<void> {
  await answer({ about });
}

/** Asks every sample, one after another, until it is stopped or fails. */
export async function askSamples(): Promise<void> {
  for (const { question } of whoIsWho.value?.samples ?? []) {
    const mine = ask(question);
    const running = controller;
    await mine;
    if (controller !== running || running?.signal.aborted || state.value !== "done") return;
  }
}

/** Asks the same again, with the steps and the threshold as they are now. */
export async function askAgain(): Promise<void> {
  if (asked.value) await answer(asked.value);
}

function show(parts: readonly Part[]): void {
  batch(() => {
    words.value = parts.map(({ word }) => word);
    columns.value = parts.map((part) => part.column);
    preferred.value = answerPlace.value;
  });
}

/** Completes a sentence and shows every step of every word. A newer question replaces an older one. */
async function answer(what: Asked): Promise<void> {
  const current = open.value;
  const task = whoIsWho.value;
  const prompt = task && ("question" in what ? promptOf(what.question) : biographyOf(what.about, task));
  if (!current || !task || prompt === undefined) return;
  controller?.abort();
  const mine = new AbortController();
  controller = mine;
  state.value = "running";
  error.value = undefined;
  hovered.value = undefined;
  chooseCell(undefined);
  asked.value = what;
  madeWith.value = decidedBy();
  show([]);
  try {
    const of = steps.value;
    let parts: Part[] = [];
    for await (const part of sentence(current, task, what, prompt, mine.signal)) {
      if (controller !== mine) return;
      parts = [...parts, ...part];
      show(parts);
      note(prompt, of, found(parts));
    }
    if (controller === mine) state.value = "done";
  } catch (thrown) {
    if (controller !== mine) return;
    if (errorCode(thrown) === "aborted") {
      state.value = words.value.length > 0 ? "done" : "idle";
      return;
    }
    error.value = explain(thrown);
    state.value = "error";
  }
}

/** The prompt's words at once, and then the model's one by one. */
async function* sentence(
  { model, info }: OpenModel,
  task: WhoTask,
  what: Asked,
  prompt: string,
  signal: AbortSignal,
): AsyncGenerator<Part[]> {
  const of = steps.value;
  const trace = { topK: TOP };
  const ids = await model.tokenize(prompt);
  const { positions = [] } = await model.forward(ids, { steps: of, trace, signal });
  const given = prompt.split(" ");
  // The tokenizer puts a token in front, from which the first word is guessed.
  const offset = ids.length - given.length;
  yield given.map((text, i) => promptPart(text, i, positions[offset + i - 1], of));

  const before = [...given];
  const maxNewTokens = Math.max(Math.min(longest(what, task), info.contextLength - ids.length), 1);
  const options = { maxNewTokens, temperature: 0, trace };
  const stream = meter.generate(model, { ids, steps: of, options }, signal);
  for await (const token of stream) {
    // The token that ends the sentence has no text.
    if (token.text.trim() === "") continue;
    const { word, column } = saidPart(token, before, what, task, of);
    yield [{ word, column: { ...column, ...stream.left(token) } }];
    before.push(token.text.trim());
  }
}
