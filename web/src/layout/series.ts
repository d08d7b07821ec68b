/** A line of a chart: y over x, x rising. */
export interface Line {
  x: readonly number[];
  y: readonly (number | null)[];
}

/** Rows of a common x and a y for each line, as charts want them; null where a line has no point. */
export type Aligned = [number[], ...(number | null)[][]];

/**
 * Makes at most `most` points out of many by averaging neighbours, which also calms the noise of single batches. The
 * last point stays as it is, so that the line ends where the run is.
 */
export function condensed(line: Line, most: number): Line {
  const n = line.x.length;
  if (n <= most) return line;
  const size = Math.ceil((n - 1) / (most - 1));
  const x: number[] = [];
  const y: (number | null)[] = [];
  for (let start = 0; start < n - 1; start += size) {
    const end = Math.min(start + size, n - 1);
    x.push(mean(line.x.slice(start, end))!);
    y.push(mean(line.y.slice(start, end)));
  }
  x.push(line.x[n - 1]!);
  y.push(line.y[n - 1]!);
  return { x, y };
}

function mean(values: readonly (number | null)[]): number | null {
  const known = values.filter((v) => v !== null);
  return known.length === 0 ? null : known.reduce((sum, v) => sum + v, 0) / known.length;
}

/** Brings lines with x of their own to a common one. */
export function aligned(lines: readonly Line[]): Aligned {
  const x = [...new Set(lines.flatMap((line) => line.x))].sort((a, b) => a - b);
  return [
    x,
    ...lines.map((line) => {
      const at = new Map(line.x.map((value, i) => [value, line.y[i] ?? null]));
      return x.map((value) => at.get(value) ?? null);
    }),
  ];
}

/** At most `most` indices of `length` items, evenly spread, the first and the last among them: for a table. */
export function sampled(length: number, most: number): number[] {
  if (length <= most) return Array.from({ length }, (_, i) => i);
  return Array.from({ length: most }, (_, i) => Math.round((i * (length - 1)) / (most - 1)));
}
