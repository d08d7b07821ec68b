import { describe, expect, it } from "vitest";
import { cellWords } from "./cell-words.ts";
import { column } from "./exit.ts";

const shown = column({
  position: 3,
  label: "swap23",
  origin: "label",
  truth: "213",
  steps: [
    { lambda: 0.2, probability: 0.2, top: [{ id: 9, text: "132", probability: 0.41 }] },
    { lambda: 0.8, probability: 0.64, top: [{ id: 10, text: "213", probability: 0.86 }] },
    { lambda: 0.9, probability: 0.16, top: [{ id: 10, text: "213", probability: 0.999 }] },
  ],
});

describe("cellWords", () => {
  it("says everything the cell shows", () => {
    expect(cellWords(shown, 2, 1, 2)).toBe(
      "Move 3 swap23, step 1; 132, 41 percent; wrong; gate 20 percent by now; not left yet",
    );
    expect(cellWords(shown, 2, 2, 2)).toBe(
      "Move 3 swap23, step 2; 213, 86 percent; right; gate 84 percent by now; left here",
    );
    expect(cellWords(shown, 2, 3, 2)).toContain("over 99 percent; right");
    expect(cellWords(shown, 2, 3, 2)).toContain("after it had left at step 2");
  });
  it("says which steps were saved, and which tokens nobody had to guess", () => {
    const early = { ...shown, origin: "generated" as const, steps: shown.steps.slice(0, 2), of: 3 };
    expect(cellWords(early, 2, 3, 2)).toBe(
      "Token 4 swap23, step 3; not computed; after it had left at step 2",
    );
    const given = column({ position: 3, label: "dora", origin: "given", steps: [], of: 3 });
    expect(cellWords(given, 3, 1, 0)).toBe("Prompt token 4 dora; given, not guessed");
  });
});
