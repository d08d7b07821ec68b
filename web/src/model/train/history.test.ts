import { describe, expect, it } from "vitest";
import { evaluation, gate, update } from "../../testing/train-fixtures.ts";
import { addMetric, emptyHistory, goBack, readHistory, stepsOf } from "./history.ts";

function after(updates: number) {
  const history = emptyHistory();
  for (let i = 1; i <= updates; i++) addMetric(history, { kind: "update", ...update(i) });
  return history;
}

describe("addMetric", () => {
  it("keeps every update of a short run", () => {
    const history = after(100);
    expect(history.updates.map((u) => u.update)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
    expect(stepsOf(history)).toBe(2);
  });
  it("takes no more memory for a longer run, and knows the last update", () => {
    const history = after(30_000);
    expect(history.updates.length).toBeLessThanOrEqual(4096);
    expect(history.updates.length).toBeGreaterThan(2000);
    expect(history.updates[0]?.update).toBe(1);
    expect(history.last?.update).toBe(30_000);
    const gaps = new Set(history.updates.slice(1).map((u, i) => u.update - history.updates[i]!.update));
    expect(gaps).toEqual(new Set([history.every]));
  });
  it("replaces an evaluation that was made again", () => {
    const history = after(3);
    addMetric(history, { kind: "evaluation", ...evaluation(3, [0.5, 0.6]) });
    addMetric(history, { kind: "evaluation", ...evaluation(3, [0.7, 0.8]) });
    expect(history.evaluations.map((e) => e.accuracy)).toEqual([[0.7, 0.8]]);
  });
  it("keeps the newest of very many evaluations", () => {
    const history = emptyHistory();
    for (let i = 1; i <= 2000; i++) addMetric(history, { kind: "evaluation", ...evaluation(i, [0, i]) });
    expect(history.evaluations.length).toBeLessThanOrEqual(512);
    expect(history.evaluations.at(-1)?.update).toBe(2000);
  });
  it("forgets a gate when the model goes on learning", () => {
    const history = after(2);
    addMetric(history, { kind: "gate", ...gate() });
    expect(history.gate).toBeDefined();
    addMetric(history, { kind: "update", ...update(3) });
    expect(history.gate).toBeUndefined();
  });
});

describe("goBack", () => {
  it("forgets what the run is about to do again", () => {
    const history = after(10);
    addMetric(history, { kind: "evaluation", ...evaluation(5, [0, 0]) });
    addMetric(history, { kind: "evaluation", ...evaluation(10, [1, 1]) });
    goBack(history, 6);
    expect(history.last?.update).toBe(6);
    expect(history.updates).toHaveLength(6);
    expect(history.evaluations.map((e) => e.update)).toEqual([5]);
  });
  it("keeps the gate where nothing is lost", () => {
    const history = after(4);
    addMetric(history, { kind: "gate", ...gate() });
    goBack(history, 4);
    expect(history.gate).toBeDefined();
  });
});

describe("readHistory", () => {
  it("reads what was put away", () => {
    const history = after(5);
    expect(readHistory(JSON.parse(JSON.stringify(history)))).toEqual(history);
  });
  it("takes anything else for nothing", () => {
    for (const stored of [undefined, null, 3, {}, { updates: "x" }])
      expect(readHistory(stored)).toEqual(emptyHistory());
  });
});
