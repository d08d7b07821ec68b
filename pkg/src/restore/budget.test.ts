import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { NEVER, RestoreBudget, USUAL } from "./budget.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("three loads within five minutes, and more when the first is longer ago", () => {
  const budget = new RestoreBudget(USUAL);
  for (let load = 0; load < 3; load++) {
    expect(budget.left).toBe(true);
    budget.take();
    vi.advanceTimersByTime(60_000);
  }
  expect(budget.left).toBe(false);
  vi.advanceTimersByTime(119_000);
  expect(budget.left).toBe(false);
  vi.advanceTimersByTime(2000);
  expect(budget.left).toBe(true);
  expect(budget.spent).toBe(2);
});

test("the first load comes at once, later ones after longer and longer", () => {
  expect([0, 1, 2].map(USUAL.pause)).toEqual([0, 1000, 3000]);
  expect(new RestoreBudget(NEVER).left).toBe(false);
});
