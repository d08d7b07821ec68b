import { expect, it } from "vitest";
import { gate } from "../testing/train-fixtures.ts";
import { accuracyFloor, accuracyTicks, SWEEP, sweepPath, sweepScale } from "./sweep.ts";

it("the axis begins at a round number below the curve, and never at the top", () => {
  expect(accuracyFloor(gate().sweep)).toBe(0.6);
  expect(accuracyFloor([{ q: 1, meanSteps: 1, accuracy: 0.999 }])).toBe(0.9);
  expect(accuracyFloor([{ q: 1, meanSteps: 1, accuracy: 0 }])).toBe(0);
});

it("one step is at the left, all steps at the right, all right at the top", () => {
  const { x, y } = sweepScale(4, 0.6);
  expect([x(1), x(4)]).toEqual([SWEEP.left, SWEEP.width - SWEEP.right]);
  expect([y(1), y(0.6)]).toEqual([SWEEP.top, SWEEP.height - SWEEP.bottom]);
});

it("the curve goes through every point", () => {
  expect(sweepPath(gate().sweep, 2, 0.6).match(/[ML]/g)).toHaveLength(3);
  expect(sweepPath([], 2, 0.6)).toBe("");
});

it.each([0, 0.5, 0.7, 0.9])("ticks go from all right down to %s", (floor) => {
  const ticks = accuracyTicks(floor);
  expect(ticks[0]).toBe(1);
  expect(ticks.at(-1)).toBeGreaterThanOrEqual(floor);
  expect(ticks.length).toBeLessThanOrEqual(7);
});
