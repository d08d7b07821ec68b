import type { Question, WhoTask } from "./task.ts";
import { trail } from "./task.ts";

/**
 * What a word is to the model. `given`: nobody could know it before, it says who and what is asked. `pattern`: follows
 * from the words before it, as "of" follows "the boss". `name`: a fact has to be remembered.
 */
export type Kind = "given" | "pattern" | "name";

/** Words of a prompt that the words before them settle. "the" is none: a question may go on with a name instead. */
const SETTLED: ReadonlySet<string> = new Set(["of", "is", ":"]);

/** What a word of the prompt is. */
export function promptKind(word: string): Kind {
  return SETTLED.has(word) ? "pattern" : "given";
}

/** What the model is asked to complete: a question, or the story of a person. */
export type Asked = { question: Question } | { about: string };

/** What comes after some words: its kind and, for a name, which one is true by the facts. */
export interface Next {
  kind: Kind;
  truth?: string;
  /** How many facts lead to the name, one after another. */
  hops?: number;
}

/** What the word after `before` is, in an answer to `asked`. */
export function next(before: readonly string[], asked: Asked, task: WhoTask): Next {
  if (before.at(-1) !== "is") return { kind: "pattern" };
  if ("question" in asked) {
    const { question } = asked;
    return { kind: "name", truth: trail(question, task).at(-1)!, hops: question.path.length };
  }
  // "... the boss is": which relation it tells of, the model has said itself.
  const truth = task.facts.get(before.at(-2) ?? "")?.get(asked.about);
  return { kind: "name", hops: 1, ...(truth === undefined ? {} : { truth }) };
}

/** Enough tokens for what can come: a name and a full stop, or every relation told; and the end. */
export function longest(asked: Asked, task: WhoTask): number {
  return "question" in asked ? 3 : 5 * task.relations.length + 1;
}
