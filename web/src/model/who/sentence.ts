import type { GeneratedToken, PositionTrace } from "looplm";
import { column, type Column } from "../exit.ts";
import type { Found } from "./means.ts";
import type { WhoTask } from "./task.ts";
import { type Asked, type Kind, next, promptKind } from "./words.ts";

/** A word of the sentence and what is known about it. */
export interface Word {
  text: string;
  kind: Kind;
  /** Facts that lead to a name; 0 for other words. */
  hops: number;
  /** Written by the model, not by the question. */
  said: boolean;
}

/** A word and what every step thought of it. */
export interface Part {
  word: Word;
  column: Column;
}

/**
 * A word of the prompt. What a position says is about the word after it.
 *
 * @param place of the word in the sentence, from 0
 * @param before the position before the word's own, which holds the guesses
 * @param of steps there were to take
 */
export function promptPart(text: string, place: number, before: PositionTrace | undefined, of: number): Part {
  const kind = before ? promptKind(text) : "given";
  const given = kind === "given" || !before;
  const origin = given ? "given" : "prompt";
  return {
    word: { text, kind, hops: 0, said: false },
    column: column({ position: place, label: text, origin, steps: given ? [] : before.steps, of }),
  };
}

/** A word that the model said after the words `before`. */
export function saidPart(
  token: GeneratedToken,
  before: readonly string[],
  asked: Asked,
  task: WhoTask,
  of: number,
): Part {
  const text = token.text.trim();
  const { kind, truth, hops = 0 } = next(before, asked, task);
  const { steps } = token;
  const shown = { position: before.length, label: text, origin: "generated" as const, steps, of };
  return {
    word: { text, kind, hops, said: true },
    column: column(truth === undefined ? shown : { ...shown, truth }),
  };
}

/** The words that the model had to find, for comparing them. */
export function found(parts: readonly Part[]): Found[] {
  return parts.flatMap(({ word: { kind, hops }, column: { cumulated, left } }) =>
    kind === "given" ? [] : [{ kind, hops, cumulated, ...(left === undefined ? {} : { left }) }],
  );
}
