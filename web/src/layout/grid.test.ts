import { describe, expect, it } from "vitest";
import { gridSizes, moveCell, scrollPast, staircase, tabStop, visibleRange } from "./grid.ts";

describe("gridSizes", () => {
  it("fills the width there is", () => {
    const { head, width } = gridSizes(958, 8, 4, false);
    expect(head + 8 * width).toBeLessThanOrEqual(958);
    expect(head + 8 * width).toBeGreaterThan(958 - 8);
  });
  it("scrolls rather than squeezes", () => {
    expect(gridSizes(300, 16, 4, false).width).toBe(54);
    expect(gridSizes(900, 400, 4, true).width).toBe(76);
  });
  it("squeezes words a little where a whole sentence then is in sight", () => {
    expect(gridSizes(810, 13, 4, true).width).toBe(57);
    expect(gridSizes(700, 13, 4, true).width).toBe(76);
  });
  it("keeps eight steps on a screen", () => {
    for (const viewport of [300, 900, 1500]) {
      const { row, gate } = gridSizes(viewport, 8, 8, false);
      expect(8 * row + gate).toBeLessThan(560);
      expect(row).toBeGreaterThanOrEqual(42);
    }
  });
});

describe("visibleRange", () => {
  it("is what is in sight and a few beside", () => {
    expect(visibleRange(0, 500, 100, 1000)).toEqual({ start: 0, end: 11 });
    expect(visibleRange(5000, 500, 100, 1000)).toEqual({ start: 44, end: 61 });
    expect(visibleRange(99_500, 500, 100, 1000)).toEqual({ start: 989, end: 1000 });
  });
  it("survives a scroll position left over from a longer text", () => {
    expect(visibleRange(5000, 500, 100, 8)).toEqual({ start: 8, end: 8 });
  });
});

describe("tabStop", () => {
  it("is never out of the document", () => {
    const range = { start: 10, end: 20 };
    expect([3, 10, 15, 19, 40].map((column) => tabStop(column, range))).toEqual([10, 10, 15, 19, 19]);
  });
});

describe("scrollPast", () => {
  it("keeps in sight what was there before more came in front", () => {
    expect(scrollPast(250, 10, 100, 100)).toBe(1250);
    expect(scrollPast(0, 10, 128, 76)).toBe(760);
    expect(scrollPast(256, 10, 128, 76)).toBe(912);
  });
});

describe("staircase", () => {
  it("runs under each column's exit", () => {
    expect(staircase([1, 1, 3], 10, 20)).toBe("M0,20H10V20H20V60H30");
    expect(staircase([], 10, 20)).toBe("");
  });
  it("breaks where a column took no step", () => {
    expect(staircase([0, 1, 2, 0, 0, 2], 10, 20)).toBe("M10,20H20V40H30M50,40H60");
  });
});

describe("moveCell", () => {
  const at = { column: 2, step: 2 };
  it("moves by one and stops at the edges", () => {
    expect(moveCell(at, "ArrowLeft", false, 5, 4)).toEqual({ column: 1, step: 2 });
    expect(moveCell(at, "ArrowDown", false, 5, 4)).toEqual({ column: 2, step: 3 });
    expect(moveCell({ column: 4, step: 4 }, "ArrowRight", false, 5, 4)).toEqual({ column: 4, step: 4 });
    expect(moveCell({ column: 0, step: 1 }, "ArrowUp", false, 5, 4)).toEqual({ column: 0, step: 1 });
  });
  it("jumps with Home, End and the page keys", () => {
    expect(moveCell(at, "Home", false, 5, 4)).toEqual({ column: 0, step: 2 });
    expect(moveCell(at, "End", false, 5, 4)).toEqual({ column: 4, step: 2 });
    expect(moveCell(at, "Home", true, 5, 4)).toEqual({ column: 0, step: 1 });
    expect(moveCell(at, "End", true, 5, 4)).toEqual({ column: 4, step: 4 });
    expect(moveCell(at, "PageDown", false, 5, 4)).toEqual({ column: 2, step: 4 });
  });
  it("leaves other keys alone", () => {
    expect(moveCell(at, "Tab", false, 5, 4)).toBeUndefined();
    expect(moveCell(at, "a", false, 5, 4)).toBeUndefined();
  });
});
