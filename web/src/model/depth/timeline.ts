import type { Finish, GeneratedToken, PassTrace, TokenId } from "looplm";
import { plural } from "../format.ts";

/** Most passes that are drawn: a longer answer looks no different further on. */
export const MOST_PASSES = 300;

/** What the timeline has to know of a token. */
export type Said = Pick<GeneratedToken, "id" | "position" | "drafts"> & { label: string };

/** A step that a token took. */
export interface Bar {
  /** The pass, from 0. */
  pass: number;
  /** The recurrent step, from 1. */
  step: number;
  /** The next token began right after it, before this one had taken all steps: it was guessed here, or left here. */
  early?: true;
}

/** A token on its way through the loop. */
export interface Lane {
  position: number;
  /** The token; of one that was taken back the guess, where it is known. */
  label: string | undefined;
  bars: readonly Bar[];
  /** The pass after which it was taken back. */
  takenBack: number | undefined;
}

export interface Timeline {
  lanes: readonly Lane[];
  /** Passes drawn. */
  passes: number;
  /** Passes there were. */
  of: number;
}

type Growing = { position: number; bars: Bar[]; takenBack: number | undefined };

/**
 * The tokens of an answer as lanes, in the order in which they began. A position that was taken back and taken again is
 * two lanes.
 *
 * @param passes of the finished answer, without the prompt's
 * @param steps recurrent steps there are
 * @param said the tokens of the answer
 * @param textOf the text of a guess, where it is known
 */
export function timelineOf(
  passes: readonly PassTrace[],
  steps: number,
  said: readonly Said[],
  textOf: (id: TokenId) => string | undefined,
): Timeline {
  const shown = passes.slice(0, MOST_PASSES);
  const lanes: Growing[] = [];
  const current = new Map<number, Growing>();
  for (const [pass, { rows, discardedFrom }] of shown.entries()) {
    for (const { position, step } of rows) {
      let lane = current.get(position);
      if (!lane) {
        lane = { position, bars: [], takenBack: undefined };
        const before = current.get(position - 1)?.bars.findLast((bar) => bar.pass === pass - 1);
        if (before && before.step < steps) before.early = true;
        current.set(position, lane);
        lanes.push(lane);
      }
      lane.bars.push({ pass, step });
    }
    if (discardedFrom === undefined) continue;
    for (const [position, lane] of current) {
      if (position < discardedFrom) continue;
      lane.takenBack = pass;
      current.delete(position);
    }
  }
  const labels = new Map(said.map(({ position, label }) => [position, label]));
  const guesses = guessedAt(lanes, said);
  return {
    lanes: lanes.map((lane) => ({ ...lane, label: labelOf(lane, labels, guesses, textOf) })),
    passes: shown.length,
    of: passes.length,
  };
}

interface Guess {
  position: number;
  id: TokenId;
  /** The pass after which it was seen. */
  pass: number;
}

/** What was guessed for which position, and when: a token tells its guesses when it becomes certain. */
function guessedAt(lanes: readonly Growing[], said: readonly Said[]): Guess[] {
  // A token becomes certain in the last pass of the lane before it; the first one of an answer before all of them.
  const certain = new Map(
    lanes
      .filter(({ takenBack }) => takenBack === undefined)
      .map(({ position, bars }) => [position + 1, bars.at(-1)?.pass ?? -1]),
  );
  return said.flatMap(({ position, drafts }) =>
    drafts.map((id, i) => ({ position: position + 1 + i, id, pass: certain.get(position) ?? -1 })),
  );
}

function labelOf(
  { position, bars, takenBack }: Growing,
  labels: ReadonlyMap<number, string>,
  guesses: readonly Guess[],
  textOf: (id: TokenId) => string | undefined,
): string | undefined {
  if (takenBack === undefined) return labels.get(position);
  const begun = (bars[0]?.pass ?? 0) - 1;
  const guess = guesses.findLast((g) => g.position === position && g.pass >= begun && g.pass < takenBack);
  return guess && textOf(guess.id);
}

/** Wrong guesses, and the tokens that had been begun on them. */
export function takenBack({ drafts }: Pick<Finish, "drafts">, { lanes }: Timeline) {
  return {
    wrong: drafts.reduce((sum, { drafted, accepted }) => sum + drafted - accepted, 0),
    begun: lanes.filter((lane) => lane.takenBack !== undefined).length,
  };
}

/**
 * The timeline in a sentence or two. `noun`: what tokens are called.
 *
 * @param steps recurrent steps there are
 */
export function timelineSentence(
  finish: Pick<Finish, "newTokens" | "drafts" | "passes" | "prefillPasses">,
  timeline: Timeline,
  steps: number,
  noun = "token",
): string {
  const after = finish.newTokens - 1;
  if (after < 1) return `One ${noun}, which the prompt gave: it took no passes of its own.`;
  const passes = finish.passes - finish.prefillPasses;
  const made = `The prompt gave the first ${noun}. The other ${after === 1 ? "one" : after} took ${plural(passes, "pass", "es")}; full depth takes ${after * steps}.`;
  const { wrong, begun } = takenBack(finish, timeline);
  if (wrong === 0) return made;
  const guesses = `${plural(wrong, "guess", "es")} ${wrong === 1 ? "was" : "were"} wrong`;
  if (begun === 0) return `${made} ${guesses}.`;
  return `${made} ${guesses}, and ${plural(begun, noun)} begun on ${wrong === 1 ? "it" : "them"} ${begun === 1 ? "was" : "were"} taken back.`;
}

/** A pass in words: who took which step in it. */
export function passWords({ lanes }: Timeline, pass: number): { took: string[]; takenBack: string[] } {
  const name = ({ label, position }: Lane) =>
    label === undefined ? `a guess for place ${position + 1}` : `“${label}”`;
  return {
    took: lanes.flatMap((lane) => {
      const bar = lane.bars.find((b) => b.pass === pass);
      return bar ? [`step ${bar.step} of ${name(lane)}`] : [];
    }),
    takenBack: lanes.filter((lane) => lane.takenBack === pass).map(name),
  };
}
