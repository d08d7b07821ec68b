import { type Arrangement, BALL_CUP, START } from "../model/shuffle.ts";

/** One cup as drawn at a moment of the shuffle. */
export interface DrawnCup {
  cup: number;
  /** Place along the table, 1 to 3, fractional while it slides. */
  place: number;
  /** -1 farthest behind, 0 on the line, 1 nearest: cups going right pass in front. */
  depth: number;
}

/** Slow at both ends. */
export function ease(fraction: number): number {
  const x = Math.min(Math.max(fraction, 0), 1);
  return x * x * (3 - 2 * x);
}

/**
 * The three cups at a moment of the shuffle.
 *
 * @param states the arrangements before the first move and after each, see `track`
 * @param moment 0 before the first move, k after the k-th, fractions in between
 */
export function cupsAt(states: readonly Arrangement[], moment: number): DrawnCup[] {
  const last = states.length - 1;
  const done = Math.min(Math.max(Math.floor(moment), 0), last);
  const before = states[done] ?? START;
  const after = states[Math.min(done + 1, last)] ?? before;
  const fraction = ease(moment - done);
  return [1, 2, 3].map((cup) => {
    const from = before.indexOf(cup) + 1;
    const to = after.indexOf(cup) + 1;
    return {
      cup,
      place: from + (to - from) * fraction,
      depth: Math.sign(to - from) * Math.sin(Math.PI * fraction),
    };
  });
}

/** The cup that hides the ball. */
export function ballCup(cups: readonly DrawnCup[]): DrawnCup | undefined {
  return cups.find((cup) => cup.cup === BALL_CUP);
}
