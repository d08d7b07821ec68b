import { describe, expect, it } from "vitest";
import { track } from "../model/shuffle.ts";
import { ballCup, cupsAt } from "./cups.ts";

const states = track([
  [1, 0, 2],
  [1, 2, 0],
]);
const places = (moment: number) => cupsAt(states, moment).map((c) => Math.round(c.place * 100) / 100);

describe("cupsAt", () => {
  it("stands at the arrangement between moves", () => {
    expect(places(0)).toEqual([1, 2, 3]);
    // "213": cup 1 at place 2, cup 2 at place 1.
    expect(places(1)).toEqual([2, 1, 3]);
    // All go left: "132".
    expect(places(2)).toEqual([1, 3, 2]);
    expect(places(9)).toEqual([1, 3, 2]);
  });
  it("passes each other in the middle, one in front and one behind", () => {
    const [one, two, three] = cupsAt(states, 0.5);
    expect([one!.place, two!.place]).toEqual([1.5, 1.5]);
    expect(one!.depth).toBeGreaterThan(0.9);
    expect(two!.depth).toBeLessThan(-0.9);
    expect(three!.depth).toBe(0);
  });
  it("keeps the ball under the cup that began in the middle", () => {
    expect(ballCup(cupsAt(states, 1))?.place).toBe(1);
  });
});
