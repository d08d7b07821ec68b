import { expect, it } from "vitest";
import { evaluation, gate, trainConfig } from "../../testing/train-fixtures.ts";
import { emptyHistory } from "./history.ts";
import { duration, expectedTime, gateSummary, rate, reachOf, runLabel, spokenSummary } from "./words.ts";

it.each([
  [0.4, "0 s"],
  [59, "59 s"],
  [95, "1 min 35 s"],
  [120, "2 min"],
  [700, "12 min"],
  [7400, "2 h 3 min"],
  [3600, "1 h"],
  [7199, "2 h"],
  [180_000, "50 h"],
  [Number.NaN, "–"],
])("duration(%s) is %s", (seconds, words) => expect(duration(seconds)).toBe(words));

it.each([
  [0.2, "about 10 s"],
  [0.5, "half a minute"],
  [1.2, "about 1 min"],
  [90, "about 1 h 30 min"],
])("expectedTime(%s) is %s", (minutes, words) => expect(expectedTime(minutes)).toBe(words));

it("rates have three figures", () => expect(rate(12_345.6)).toBe("12,300"));

it("names a run by what is looped", () => {
  expect(runLabel(trainConfig())).toBe("looped, T\u00a0=\u00a04");
});

it("says how far a run is", () => {
  const history = { ...emptyHistory(), evaluations: [evaluation(250, [0.5, 0.9])] };
  expect(spokenSummary(history, 1000)).toBe(
    "After 250 of 1000 updates the accuracy is 50 % at step 1, 90 % at step 2.",
  );
  expect(spokenSummary(emptyHistory(), 1000)).toBe("");
});

it("says how far each step reaches, and nothing that the numbers do not show", () => {
  expect(reachOf(evaluation(1, [0.99, 1], [0.5, 0.97], [0.2, 0.4]))).toBe(
    "One step solves up to “easy”; 2 steps solve up to “middling”.",
  );
  expect(reachOf(evaluation(1, [0.6, 1], [0.5, 0.97]))).toMatch(/^One step solves nothing yet; 2 steps/);
  expect(reachOf(evaluation(1, [0.99, 1], [0.5, 0.6]))).toMatch(/^One step is enough/);
  expect(reachOf(evaluation(1, [0.3, 0.4], [0.2, 0.2]))).toBe("");
});

it("says what the gate came to", () => {
  expect(gateSummary(gate(), 2)).toBe(
    "At q = 0.60 a token takes 1.4 of 2 steps (70 %) and 98 % are right; all steps give 98 %. Harder means later: rank correlation 0.90.",
  );
  expect(gateSummary({ ...gate(), rankCorrelation: 0.1 }, 2)).not.toContain("Harder");
});
