import { describe, expect, it } from "vitest";
import { trainConfig } from "../../testing/train-fixtures.ts";
import { configured, FIELDS, fieldText, problemsOf, withChange, TEXT, withoutLoop } from "./fields.ts";
import { shareHash } from "./share.ts";

describe("withChange", () => {
  it("keeps what differs from the preset, and only that", () => {
    const config = trainConfig();
    const wider = withChange(config, {}, "model.hidden_size", "128");
    expect(wider).toEqual({ "model.hidden_size": "128" });
    expect(withChange(config, wider, "model.hidden_size", "64")).toEqual({});
    expect(withChange(config, {}, "optimizer.learning_rate", "0.0020")).toEqual({});
  });
  it("keeps a half-typed text, so that the field can be finished", () => {
    const changes = withChange(trainConfig(), {}, "seed", "");
    expect(fieldText(trainConfig(), changes, "seed")).toBe("");
    expect(problemsOf(trainConfig(), changes)["seed"]).toMatch(/whole number from 0/);
  });
});

describe("problemsOf", () => {
  it("finds nothing wrong with a preset", () => {
    expect(problemsOf(trainConfig(), {})).toEqual({});
  });
  it.each([
    ["run.updates", "0"],
    ["run.updates", "1.5"],
    ["model.total_ut_steps", "9"],
    ["optimizer.learning_rate", "-1"],
    ["optimizer.learning_rate", "fast"],
    ["objective.beta", "Infinity"],
  ])("tells %s = %s at its field", (path, text) => {
    expect(Object.keys(problemsOf(trainConfig(), { [path]: text }))).toEqual([path]);
  });
  it("wants heads that share the width and can be rotated", () => {
    const of = (heads: string, width = "64") =>
      problemsOf(trainConfig(), { "model.num_attention_heads": heads, "model.hidden_size": width })[
        "model.num_attention_heads"
      ];
    expect(of("3")).toMatch(/divide the width, 64/);
    expect(of("64")).toMatch(/even/);
    expect(of("1", "256")).toMatch(/128/);
    expect(of("4")).toBeUndefined();
  });
});

describe("a text of one's own", () => {
  const preset = { ...trainConfig(), task: { kind: "text", text: "as it comes" } };
  it("is learned instead of the preset's", () => {
    const changes = withChange(preset, {}, TEXT, "mine");
    expect(configured(preset, changes).task["text"]).toBe("mine");
    expect(withChange(preset, changes, TEXT, "as it comes")).toEqual({});
    expect(shareHash({ preset: "p", changes })).toBe("#train?preset=p");
  });
  it("must hold something, and not too much", () => {
    expect(problemsOf(preset, { [TEXT]: " " })[TEXT]).toMatch(/nothing/);
    expect(problemsOf(preset, { [TEXT]: "x".repeat(4_000_001) })[TEXT]).toMatch(/4,000,000/);
    expect(problemsOf(trainConfig(), { [TEXT]: "" })).toEqual({});
  });
});

describe("configured", () => {
  it("is the preset where nothing was changed", () => {
    expect(configured(trainConfig(), {})).toEqual(trainConfig());
  });
  it("keeps the ratio of the feed-forward width and lets the heads' width follow", () => {
    const { model } = configured(trainConfig(), { "model.hidden_size": "128" });
    expect(model).toMatchObject({ hidden_size: 128, intermediate_size: 384 });
    expect(model.head_dim).toBeUndefined();
  });
  it("keeps warm-up and evaluations at their place in a shorter run", () => {
    const { run, optimizer } = configured(trainConfig(), { "run.updates": "100" });
    expect(run).toMatchObject({ updates: 100, evaluate_every: 10 });
    expect(optimizer?.warmup).toBe(20);
  });
  it("draws no more steps than there are", () => {
    expect(configured(trainConfig(), { "model.total_ut_steps": "3" }).objective?.steps).toEqual([2, 3]);
  });
  it("leaves the preset as it was", () => {
    const preset = trainConfig();
    configured(preset, Object.fromEntries(FIELDS.map(({ path, min }) => [path, String(min)])));
    expect(preset).toEqual(trainConfig());
  });
});

it("the run without the loop differs in T alone", () => {
  const { model, objective, ...rest } = withoutLoop(trainConfig());
  expect(model).toEqual({ ...trainConfig().model, total_ut_steps: 1 });
  expect(objective?.steps).toBeUndefined();
  expect(rest.run).toEqual(trainConfig().run);
});
