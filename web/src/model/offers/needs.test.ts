import { describe, expect, it } from "vitest";
import { PUBLISHED } from "./catalogue.ts";
import { kvBytesPerStep, longestContext, needsOf, weightBytes } from "./needs.ts";
import { parameters, type Shape, shapeOf } from "./shape.ts";

const [small, , large] = PUBLISHED.map(({ shape }) => shape) as [Shape, Shape, Shape];

describe("the published models", () => {
  it("have the parameters that their files have bytes for", () => {
    for (const { shape, download } of PUBLISHED) {
      // Two bytes a parameter, and a header.
      expect(download - 2 * parameters(shape)).toBeGreaterThan(0);
      expect(download - 2 * parameters(shape)).toBeLessThan(100_000);
    }
  });

  it("take 4.5 and 8.5 bits a weight where they are quantised", () => {
    const table = 49_152 * 2048;
    const layers = 24 * (4 * 2048 * 2048 + 3 * 2048 * 5632);
    expect(weightBytes(small, "q4")).toBe((layers * 4.5) / 8 + (2 * table * 8.5) / 8);
    expect(weightBytes(small, "q8")).toBe((layers * 8.5) / 8 + 2 * table * 2);
    expect(weightBytes(small, "f16")).toBe(weightBytes(small, "stored"));
    expect(weightBytes(large, "q4") / 1e9).toBeCloseTo(1.6, 1);
    expect(weightBytes(large, "q8") / 1e9).toBeCloseTo(3.02, 1);
  });

  it("keep 768 KiB and 1.5 MiB of keys and values for a token in half precision", () => {
    expect(kvBytesPerStep(small, "f16") * 4).toBe(768 * 1024);
    expect(kvBytesPerStep(large, "f16") * 4).toBe(1536 * 1024);
    expect(kvBytesPerStep(large, "f32")).toBe(2 * kvBytesPerStep(large, "f16"));
  });

  it("go as far as the keys of a layer fit into one binding", () => {
    expect(longestContext(small, "f16", 128 * 2 ** 20)).toBe(8192);
    expect(longestContext(small, "f32", 128 * 2 ** 20)).toBe(4096);
    expect(longestContext(small, "f16", 2 ** 40)).toBe(65_536);
    expect(longestContext(small, "f16", 1)).toBe(1);
  });
});

// models/shell-game, of which the engine reports these figures once it is loaded.
const SHELL_GAME: Shape = {
  layers: 2,
  hidden: 64,
  inner: 192,
  heads: 2,
  kvHeads: 2,
  headDim: 32,
  vocabulary: 14,
  steps: 4,
  positions: 64,
  tied: false,
  stored: 4,
};

it("counts what a small model takes as the engine does", () => {
  const needs = needsOf(SHELL_GAME, { format: "stored", kv: "f32", context: undefined });
  expect(needs.weights).toBe(433_152);
  // The engine's buffers are whole multiples of 16 bytes, one after another.
  expect(1_571_088 - needs.workspace).toBeGreaterThanOrEqual(0);
  expect(1_571_088 - needs.workspace).toBeLessThan(256);
  expect(needs.kv).toBe(2 * kvBytesPerStep(SHELL_GAME, "f16") * 4 * 64);
  expect(kvBytesPerStep(SHELL_GAME, "f16")).toBe(512);
  expect(needs.total).toBe(needs.weights + needs.kv + needs.workspace);
});

it("pads rows and scales as the engine does", () => {
  const odd = { ...SHELL_GAME, layers: 1, hidden: 10, inner: 10, heads: 1, kvHeads: 1, headDim: 10 };
  // A row of 10 has one group of 32 elements, and scales come in pairs.
  const rows = 30 + 10 + 20 + 10;
  expect(weightBytes(odd, "q4")).toBe(rows * (16 + 4) + 2 * 14 * (32 + 4));
  expect(weightBytes(odd, "f16")).toBe((rows + 2 * 14) * 16 * 2);
});

describe("shapeOf", () => {
  const config = {
    num_hidden_layers: 24,
    hidden_size: 2048,
    intermediate_size: 5632,
    num_attention_heads: 16,
    vocab_size: 49_152,
    max_position_embeddings: 65_536,
    torch_dtype: "bfloat16",
  };
  it("reads a config.json, and fills in what it leaves out as the engine does", () => {
    expect(shapeOf(config)).toEqual(small);
    expect(shapeOf({ ...config, dtype: "float32", torch_dtype: undefined })?.stored).toBe(4);
  });
  it.each([undefined, null, 3, "x", [], {}, { ...config, hidden_size: -1 }, { ...config, vocab_size: "9" }])(
    "finds none in %j",
    (wrong) => {
      expect(shapeOf(wrong)).toBeUndefined();
    },
  );
});
