import { describe, expect, it } from "vitest";
import { namedById, parseIds } from "./token-ids.ts";

describe("parseIds", () => {
  it("takes spaces and commas", () => {
    expect(parseIds("1, 2 3,4", 10)).toEqual({ ids: Uint32Array.of(1, 2, 3, 4) });
  });
  it("says what it cannot read", () => {
    expect(parseIds(" ", 10)).toEqual({ problem: "Write at least one token id." });
    for (const bad of ["10", "-1", "1.5", "0x2", "two", "1e0"])
      expect(parseIds(`1 ${bad}`, 10)).toMatchObject({
        problem: expect.stringContaining(`“${bad}”`) as string,
      });
  });
});

describe("namedById", () => {
  it("replaces the texts and nothing else", () => {
    const step = { lambda: 0.5, probability: 0.5, entropy: 1 };
    expect(namedById([{ ...step, top: [{ id: 7, text: "", probability: 0.9 }] }, step])).toEqual([
      { ...step, top: [{ id: 7, text: "7", probability: 0.9 }] },
      step,
    ]);
  });
});
