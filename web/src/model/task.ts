import type { ModelInfo } from "looplm";
import { type Move, parseMove, wordsOf } from "./shuffle.ts";
import { whoTask, type WhoTask } from "./who/task.ts";

/** The tasks that the page has a view for. */
export type Task = ShuffleTask | WhoTask;

/** What a model was trained to do; undefined for text, and for tasks the page has no view for. */
export function taskOf(info: ModelInfo): Task | undefined {
  return shuffleTask(info) ?? whoTask(info);
}

/** The shell game as a model's config describes it under `looplm_task`. */
export interface ShuffleTask {
  kind: "track-the-shuffle";
  /** Every move by its name. */
  moves: ReadonlyMap<string, Move>;
  /** The longest shuffle of the training. */
  maxMoves: number;
  example: string;
}

/** Reads `info.task`; undefined unless it is a shuffle of three cups, which the page knows how to draw. */
export function shuffleTask(info: ModelInfo): ShuffleTask | undefined {
  const { task } = info;
  if (task?.kind !== "track-the-shuffle" || typeof task["moves"] !== "object") return undefined;
  const moves = new Map<string, Move>();
  for (const [name, value] of Object.entries(task["moves"] ?? {})) {
    const move = parseMove(value);
    if (move === undefined) return undefined;
    moves.set(name, move);
  }
  if (moves.size === 0) return undefined;
  const { max_moves: most, example } = task;
  return {
    kind: "track-the-shuffle",
    moves,
    maxMoves: typeof most === "number" && most >= 1 ? Math.min(Math.floor(most), 64) : 16,
    example: typeof example === "string" ? example : [...moves.keys()].join(" "),
  };
}

/** What is wrong with a prompt of moves, in a sentence, or undefined if it can be asked. */
export function promptProblem(prompt: string, task: ShuffleTask): string | undefined {
  const words = wordsOf(prompt);
  if (words.length === 0) return "Write at least one move, or press one of the buttons below.";
  const strange = words.find((word) => !task.moves.has(word));
  if (strange === undefined) return undefined;
  return `“${strange}” is not a move this model knows. The moves are ${[...task.moves.keys()].join(", ")}.`;
}

/** The moves of a prompt; words that are none are left out. */
export function movesOf(prompt: string, task: ShuffleTask): Move[] {
  return wordsOf(prompt)
    .map((word) => task.moves.get(word))
    .filter((move) => move !== undefined);
}
