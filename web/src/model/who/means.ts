import { leftAt } from "../exit.ts";
import { plural } from "../format.ts";

/** A word that the model has found, and the gate's probability of having left by each step. */
export interface Found {
  kind: "pattern" | "name";
  /** Facts that lead to a name; 0 for words of the pattern. */
  hops: number;
  cumulated: Float32Array;
  /** Where another rule than the gate's let it go. */
  left?: number;
}

/** Words of one sort, and the steps at which they left. */
export interface Group {
  label: string;
  words: number;
  /** Words that left at each step, `left[0]` being step 1. */
  left: readonly number[];
  mean: number;
}

function group(label: string, found: readonly Found[], q: number, steps: number): Group {
  const left = Array.from({ length: steps }, () => 0);
  for (const word of found) {
    const place = leftAt(word, q) - 1;
    if (left[place] !== undefined) left[place]++;
  }
  const words = left.reduce((sum, n) => sum + n, 0);
  const spent = left.reduce((sum, n, i) => sum + n * (i + 1), 0);
  return { label, words, left, mean: words === 0 ? 0 : spent / words };
}

/** How deep words of the pattern and names go at a threshold `q`, and names by the number of facts they take. */
export function exitMeans(found: readonly Found[], q: number, steps: number) {
  const names = found.filter((word) => word.kind === "name");
  const hops = [...new Set(names.map((word) => word.hops))].sort((a, b) => a - b);
  return {
    pattern: group(
      "words of the pattern",
      found.filter((word) => word.kind === "pattern"),
      q,
      steps,
    ),
    names: group("names", names, q, steps),
    byHops: hops.map((n) =>
      group(
        `names, ${plural(n, "hop")}`,
        names.filter((word) => word.hops === n),
        q,
        steps,
      ),
    ),
  };
}

/** The comparison in a sentence, once there is something to compare. */
export function meansSentence({ pattern, names }: ReturnType<typeof exitMeans>): string | undefined {
  if (pattern.words === 0 || names.words === 0) return undefined;
  const [p, n] = [pattern.mean.toFixed(1), names.mean.toFixed(1)];
  const compared =
    p === n
      ? `Words of the pattern and names both left after ${p} steps on average`
      : `Words of the pattern left after ${p} steps on average, names after ${n}`;
  const difference = names.mean - pattern.mean;
  if (p === n || Math.abs(difference) < 0.05) return `${compared}.`;
  return difference > 0
    ? `${compared}: what has to be remembered takes longer.`
    : `${compared}. That is the other way round than one would think.`;
}
