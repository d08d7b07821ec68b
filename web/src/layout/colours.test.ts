import { describe, expect, it } from "vitest";
import { cellColours, contrast, stepHue, type Theme, tokenShade } from "./colours.ts";

const THEMES: readonly Theme[] = ["light", "dark"];

describe("cellColours", () => {
  it.each(THEMES)("text is AA on every fill of the %s theme", (theme) => {
    let least = 21;
    for (let steps = 1; steps <= 8; steps++)
      for (let step = 1; step <= steps; step++)
        for (let p = 0; p <= 1; p += 0.01) {
          const { background, text } = cellColours(theme, step, steps, p);
          least = Math.min(least, contrast(background, text));
        }
    expect(least).toBeGreaterThanOrEqual(4.5);
  });
  it.each(THEMES)("is fuller where it is surer (%s)", (theme) => {
    const card = theme === "light" ? "#ffffff" : "#1e1c19";
    const away = [0, 0.3, 0.6, 1].map((p) => contrast(cellColours(theme, 4, 4, p).background, card));
    expect(away).toEqual([...away].sort((a, b) => a - b));
    expect(new Set(away).size).toBe(4);
  });
  it("takes probabilities a rounding error outside 0..1", () => {
    expect(cellColours("light", 1, 4, 1.0000001)).toEqual(cellColours("light", 1, 4, 1));
    expect(cellColours("light", 1, 4, -1e-9)).toEqual(cellColours("light", 1, 4, 0));
  });
});

describe("stepHue", () => {
  it("goes from amber to plum, whatever the number of steps", () => {
    for (const steps of [2, 4, 8]) {
      expect(stepHue("light", 1, steps)).toBe("#f4b942");
      expect(stepHue("light", steps, steps)).toBe("#6a2c70");
    }
    expect(new Set(Array.from({ length: 8 }, (_, i) => stepHue("dark", i + 1, 8))).size).toBe(8);
    expect(stepHue("light", 1, 1)).toBe("#f4b942");
  });
});

describe("tokenShade", () => {
  it.each(THEMES)("is AA (%s)", (theme) => {
    for (let step = 1; step <= 8; step++) {
      const { background, text } = tokenShade(theme, step, 8);
      expect(contrast(background, text)).toBeGreaterThanOrEqual(4.5);
    }
  });
});
