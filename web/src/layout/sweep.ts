import type { SweepPoint } from "looplm";

/** Where the curve of accuracy against mean steps is drawn, in units of its view box. */
export const SWEEP = { width: 420, height: 230, left: 46, right: 14, top: 12, bottom: 38 } as const;

/** The accuracies the curve's axis spans: a round number below the least, up to 1. */
export function accuracyFloor(sweep: readonly SweepPoint[]): number {
  const least = sweep.reduce((low, point) => Math.min(low, point.accuracy), 1);
  return Math.min(Math.floor(least * 10) / 10, 0.9);
}

/** Maps mean steps and accuracy to the drawing. */
export function sweepScale(steps: number, floor: number) {
  const { width, height, left, right, top, bottom } = SWEEP;
  return {
    x: (meanSteps: number) => left + ((meanSteps - 1) / Math.max(steps - 1, 1)) * (width - left - right),
    y: (accuracy: number) => top + ((1 - accuracy) / (1 - floor)) * (height - top - bottom),
  };
}

/** The curve through the points, as an SVG path. */
export function sweepPath(sweep: readonly SweepPoint[], steps: number, floor: number): string {
  const { x, y } = sweepScale(steps, floor);
  return sweep
    .map((p, i) => `${i === 0 ? "M" : "L"}${x(p.meanSteps).toFixed(1)} ${y(p.accuracy).toFixed(1)}`)
    .join("");
}

/** Accuracies to mark on the axis: a few round ones from the floor up. */
export function accuracyTicks(floor: number): number[] {
  const step = 1 - floor > 0.5 ? 0.2 : 1 - floor > 0.2 ? 0.1 : 0.05;
  const ticks: number[] = [];
  for (let value = 1; value >= floor - 1e-9; value -= step) ticks.push(Math.round(value * 100) / 100);
  return ticks;
}
