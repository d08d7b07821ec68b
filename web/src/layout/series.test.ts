import { describe, expect, it } from "vitest";
import { aligned, condensed, sampled } from "./series.ts";

describe("condensed", () => {
  const long = {
    x: Array.from({ length: 1000 }, (_, i) => i),
    y: Array.from({ length: 1000 }, (_, i) => i * 2),
  };
  it("leaves short lines alone", () => {
    const line = { x: [1, 2], y: [3, null] };
    expect(condensed(line, 10)).toBe(line);
  });
  it.each([2, 10, 333, 999])("makes at most %i points, averaged, and ends where the line ends", (most) => {
    const { x, y } = condensed(long, most);
    expect(x.length).toBeLessThanOrEqual(most);
    expect(y.map((v) => v! / 2)).toEqual(x);
    expect(x.at(-1)).toBe(999);
    expect([...x].sort((a, b) => a - b)).toEqual(x);
  });
  it("averages what is known", () => {
    expect(condensed({ x: [1, 2, 3, 4, 5], y: [1, null, null, null, 5] }, 3)).toEqual({
      x: [1.5, 3.5, 5],
      y: [1, null, 5],
    });
  });
});

it("aligned brings lines to a common x, with gaps where a line has no point", () => {
  expect(
    aligned([
      { x: [1, 3], y: [10, 30] },
      { x: [2, 3, 4], y: [2, null, 4] },
    ]),
  ).toEqual([
    [1, 2, 3, 4],
    [10, null, 30, null],
    [null, 2, null, 4],
  ]);
  expect(aligned([])).toEqual([[]]);
});

it("sampled spreads evenly from the first to the last", () => {
  expect(sampled(3, 5)).toEqual([0, 1, 2]);
  expect(sampled(101, 5)).toEqual([0, 25, 50, 75, 100]);
  expect(sampled(0, 5)).toEqual([]);
});
