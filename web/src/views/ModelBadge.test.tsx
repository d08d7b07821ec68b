import type { LoopLM, ModelInfo, WeightFormat } from "looplm";
import { renderToString } from "preact-render-to-string";
import { expect, it, vi } from "vitest";
import type { Held } from "../model/offers/held.ts";
import { open } from "../state/model.ts";
import { own } from "../state/offers/offers.ts";
import { ModelBadge } from "./ModelBadge.tsx";

vi.mock("looplm", () => ({}));

function shown(format: WeightFormat, quantisation?: unknown, kv: Held["kv"] = "f16"): string {
  const from = "https://models.test/m/";
  own.value = [{ id: "m", name: "m", title: "m", says: "", from, kind: "own", quantisation }];
  open.value = {
    source: { name: "m", from, held: { format, kv, context: undefined } },
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
  expect(words).toMatch(/^q4 99\.1 % as in full precision/);
  expect(words).toContain("(f32) on 8,704 tokens:");
  expect(words).toContain("1 95.0 % 0.021 2 99.1 % 0.0041");
  expect(words).toContain("3 % of the tokens leave the loop at another step.");
});

it("says which tokens its figures are of, and what they are over all others", () => {
  const q4 = { top1: [0.98, 0.9959], kl: [0.1, 0.1], everywhere: { top1: [0.98, 0.9673] } };
  const measured = { on: "task", positions: 12_627, targets: 7807 };
  const words = shown("q4", { formats: { q4 }, measured });
  expect(words).toContain("on the 7,807 tokens of its task that it has to find");
  expect(words).toContain("Over all 12,627 tokens");
  expect(words).toContain("is the same for 96.7 %");
  const same = { ...q4, everywhere: { top1: q4.top1 } };
  expect(shown("q4", { formats: { q4: same }, measured })).not.toContain("Over all");
});

it("shows no figures that were measured with other keys and values", () => {
  const file = { formats: { q4: { top1: [0.9], kl: [0.1] } }, kvFormat: "f16" };
  expect(shown("q4", file, "f16")).toContain("90.0 %");
  expect(shown("q4", file, "q8")).toBe(
    "q4 weights in 4 bits, keys and values in 8 bits: what is lost was only measured with 16 bits for these",
  );
});
