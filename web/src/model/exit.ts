import type { StepTrace } from "looplm";

/**
 * The gate's probability of having left by each step, cumulated in f32 as the engine does it, so that the step the
 * page marks is the step the engine leaves at.
 *
 * @param pdf exit probability of each step, [T]
 * @returns the running sum, [T]
 */
export function cumulate(pdf: ArrayLike<number>): Float32Array {
  const out = new Float32Array(pdf.length);
  let sum = 0;
  for (let t = 0; t < pdf.length; t++) {
    sum = Math.fround(sum + Math.fround(pdf[t] ?? 0));
    out[t] = sum;
  }
  return out;
}

/**
 * The first step, counted from 1, whose cumulated exit probability reaches `q`. The last step taken takes whatever is
 * left, and `q >= 1` never leaves early. 0 where no step was taken: the model was not asked about this token.
 */
export function exitStep(cumulated: ArrayLike<number>, q: number): number {
  if (q < 1) {
    const threshold = Math.fround(q);
    for (let t = 0; t < cumulated.length; t++) {
      if ((cumulated[t] ?? 0) >= threshold) return t + 1;
    }
  }
  return cumulated.length;
}

/** One token of the exit view: what every recurrent step thought of it. */
export interface Column {
  /** Position in the sequence, from 0. */
  position: number;
  /** The token as a person reads it. */
  label: string;
  /**
   * `label`: the steps answer about the prompt so far; `given`: nobody could know this token before, and it has no
   * steps; otherwise they guess this very token.
   */
  origin: "label" | "given" | "prompt" | "generated";
  /** The steps taken: fewer than `of` where the token left and the rest was saved. */
  steps: readonly StepTrace[];
  /** Steps there were to take. */
  of: number;
  /** See {@link cumulate}. */
  cumulated: Float32Array;
  /** Where another rule than the gate's let it go; q then moves nothing. */
  left?: number;
  /** What the best token should be, where the task can tell. */
  truth?: string;
}

/** Builds a column, cumulating the exit distribution once. Without `of`, all steps were taken. */
export function column(fields: Omit<Column, "cumulated" | "of"> & { of?: number }): Column {
  const cumulated = cumulate(fields.steps.map((step) => step.probability));
  return { of: fields.steps.length, ...fields, cumulated };
}

/** The step at which a column left: where the gate reaches `q`, unless another rule decided. */
export function leftAt({ left, cumulated }: Pick<Column, "left" | "cumulated">, q: number): number {
  return left ?? exitStep(cumulated, q);
}

/** The best token of a step, or undefined where no trace was asked for. */
export function best(step: StepTrace | undefined) {
  return step?.top?.[0];
}

/** Whether a step's best token is the true answer; undefined where the truth is unknown, or the step was not taken. */
export function isRight(column: Column, step: number): boolean | undefined {
  const top = best(column.steps[step - 1]);
  return top === undefined || column.truth === undefined ? undefined : top.text.trim() === column.truth;
}

/** What the exit view adds up to, for its caption. All counts are exact. */
export interface Summary {
  /** Tokens that went through the steps. */
  tokens: number;
  /** Steps computed. */
  steps: number;
  /** Steps that came after the gate had left. */
  after: number;
  meanExit: number;
  /** Of the tokens whose truth is known, those that were right at the step they left; undefined where there are none. */
  right?: { of: number; count: number };
  /** Mean number of steps before the answer is right and stays right, over the first and the second half of the
   * labels that get there; undefined where tokens are no labels, the truth is unknown or a half has none. */
  needed?: { first: number; second: number };
}

/** The first step from which the answer is right and stays right, or undefined if it never is. */
export function settledStep(column: Column): number | undefined {
  let settled: number | undefined;
  for (let step = column.steps.length; step >= 1 && isRight(column, step); step--) settled = step;
  return settled;
}

/** Adds up the columns for a threshold `q`. */
export function summarize(all: readonly Column[], q: number): Summary {
  const columns = all.filter((c) => c.origin !== "given");
  const exits = columns.map((c) => leftAt(c, q));
  const steps = columns.reduce((sum, c) => sum + c.steps.length, 0);
  const spent = exits.reduce((sum, e) => sum + e, 0);
  const summary: Summary = {
    tokens: columns.length,
    steps,
    after: steps - spent,
    meanExit: columns.length === 0 ? 0 : spent / columns.length,
  };
  const known = columns.filter((c) => c.truth !== undefined).length;
  if (known > 0)
    summary.right = { of: known, count: columns.filter((c, i) => isRight(c, exits[i] ?? 0)).length };
  if (known > 0 && columns.every((c) => c.origin === "label" && c.truth !== undefined)) {
    const half = Math.floor(columns.length / 2);
    const first = mean(columns.slice(0, half).map(settledStep));
    const second = mean(columns.slice(half).map(settledStep));
    if (first !== undefined && second !== undefined) summary.needed = { first, second };
  }
  return summary;
}

function mean(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((v) => v !== undefined);
  return known.length === 0 ? undefined : known.reduce((sum, v) => sum + v, 0) / known.length;
}
