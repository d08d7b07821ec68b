import { expect, it } from "vitest";
import { FIELDS, type Sampling, withinField } from "./sampling.ts";

const taken = (name: keyof Sampling, value: number) =>
  withinField(
    FIELDS.find(({ key }) => key === name)!,
    value,
    7,
  );

it("is whole where it counts", () => {
  expect([taken("maxNewTokens", 1.5), taken("topK", 0.4), taken("seed", 2 ** 32)]).toEqual([
    2,
    0,
    2 ** 32 - 1,
  ]);
  expect([taken("temperature", 0.85), taken("topP", 0.333)]).toEqual([0.85, 0.333]);
});

it("stays in its range, and what it was where it is no number", () => {
  expect([taken("maxNewTokens", 0.2), taken("topP", 3), taken("minP", Number.NaN)]).toEqual([1, 1, 7]);
});
