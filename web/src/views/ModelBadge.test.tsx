import type { LoopLM, ModelInfo, WeightFormat } from "looplm";
import { renderToString } from "preact-render-to-string";
import { expect, it, vi } from "vitest";
import { open } from "../state/model.ts";
import { own } from "../state/offers/offers.ts";
import { ModelBadge } from "./ModelBadge.tsx";

vi.mock("looplm", () => ({}));

function shown(format: WeightFormat, quantisation?: unknown): string {
  const from = "https://models.test/m/";
  own.value = [{ id: "m", name: "m", title: "m", says: "", from, kind: "own", quantisation }];
  open.value = {
    source: { name: "m", from },
    model: {} as LoopLM,
    info: { format } as ModelInfo,
    task: undefined,
  };
  return renderToString(<ModelBadge />)
    .replace(/<[^>]+>/g, " ")
    .replace(/\s+/g, " ")
    .trim();
}

it("says nothing of weights that are as they were stored", () => {
  expect(shown("stored")).toBe("");
});

it("claims nothing that was not measured", () => {
  expect(shown("q4")).toBe("q4 weights in 4 bits");
  expect(shown("q8", { formats: { q4: { top1: [1], kl: [0] } } })).toBe("q8 weights in 8 bits");
});

it("tells how far the model agrees with itself in f32, for every step", () => {
  const q4 = { bytes: 1, top1: [0.95, 0.9912], kl: [0.0213, 0.0041], exitChanged: 0.031 };
  const words = shown("q4", { formats: { q4 }, measured: { positions: 8704 } });
  expect(words).toMatch(/^q4 99\.1 % as f32/);
  expect(words).toContain("on 8,704 tokens of its task");
  expect(words).toContain("1 95.0 % 0.021 2 99.1 % 0.0041");
  expect(words).toContain("3 % of the tokens leave the loop at another step.");
});
