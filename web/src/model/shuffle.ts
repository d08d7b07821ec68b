/** Which cup stands at each of the three places; cups are numbered by the place they started from. */
export type Arrangement = readonly [number, number, number];

export const START: Arrangement = [1, 2, 3];

/** The ball starts under the middle cup. */
export const BALL_CUP = 2;

/**
 * A move as an index permutation, as `looplm_task` of config.json writes it: after it, place j holds what stood at
 * place `move[j]` (places from 0).
 */
export type Move = readonly [number, number, number];

/** Reads an index permutation of three places; undefined if it is none. */
export function parseMove(value: unknown): Move | undefined {
  if (!Array.isArray(value) || value.length !== 3) return undefined;
  return [0, 1, 2].every((place) => value.includes(place)) ? (value as unknown as Move) : undefined;
}

/** The arrangement after one move. */
export function applyMove(cups: Arrangement, move: Move): Arrangement {
  return [cups[move[0]]!, cups[move[1]]!, cups[move[2]]!];
}

/** The arrangements before the first move and after every move: one more than there are moves. */
export function track(moves: readonly Move[]): Arrangement[] {
  const out: Arrangement[] = [START];
  for (const move of moves) out.push(applyMove(out[out.length - 1]!, move));
  return out;
}

/** The label the model uses for an arrangement, such as "213". */
export function label(cups: Arrangement): string {
  return cups.join("");
}

/** Reads a label such as "213"; undefined if it is none. */
export function parseLabel(text: string): Arrangement | undefined {
  const digits = [...text.trim()].map(Number);
  const [a, b, c] = digits;
  if (digits.length !== 3 || a === undefined || b === undefined || c === undefined) return undefined;
  return [1, 2, 3].every((cup) => digits.includes(cup)) ? [a, b, c] : undefined;
}

/** The place, from 1, where the ball is. */
export function ballPlace(cups: Arrangement): number {
  return cups.indexOf(BALL_CUP) + 1;
}

/** The words of a prompt, lower-case. */
export function wordsOf(prompt: string): string[] {
  return prompt.trim().toLowerCase().split(/\s+/).filter(Boolean);
}

/** Draws the names of `length` moves; one that moves nothing makes a dull shuffle and is left out. */
export function randomMoves(
  moves: ReadonlyMap<string, Move>,
  length: number,
  random = Math.random,
): string[] {
  const lively = [...moves].filter(([, move]) => move.some((from, to) => from !== to)).map(([name]) => name);
  const from = lively.length > 0 ? lively : [...moves.keys()];
  return Array.from({ length }, () => from[Math.floor(random() * from.length)]!);
}
