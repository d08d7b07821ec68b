import type { WeightFormat } from "looplm";
import type { Held } from "./held.ts";
import { layerMatrices, type MatrixSize, type Shape } from "./shape.ts";

/** What a model takes of the GPU, in bytes. */
export interface Needs {
  weights: number;
  /** Keys and values of a full context, with every step kept. */
  kv: number;
  /** Everything else. */
  workspace: number;
  total: number;
}

/** Elements that share a scale where weights are quantised. */
const GROUP = 32;
/** Rows are padded to so many elements. */
const ALIGN = 8;
const padded = (n: number, to = ALIGN) => Math.ceil(n / to) * to;

/** Bits of an element, without its share of a scale. */
type Kept = 4 | 8 | 16 | 32;

/** How the engine keeps the matrices of the layers, and the embedding and the head, which it keeps wider. */
function keptAs(format: WeightFormat, { stored }: Shape): Record<"layers" | "tables", Kept> {
  const asStored: Kept = stored === 4 ? 32 : 16;
  const all = (bits: Kept) => ({ layers: bits, tables: bits });
  switch (format) {
    case "stored":
      return all(asStored);
    case "f16":
      return all(16);
    case "q8":
      return { layers: 8, tables: 16 };
    case "q4":
      return { layers: 4, tables: 8 };
  }
}

/** Bytes of a matrix on the GPU: its rows padded, and a half-precision scale for each group of a quantised row. */
function matrixBytes({ outputs, inputs }: MatrixSize, bits: Kept): number {
  if (bits >= 16) return (outputs * padded(inputs) * bits) / 8;
  const groups = Math.ceil(inputs / GROUP);
  return outputs * ((padded(inputs, GROUP) * bits) / 8 + padded(groups, 2) * 2);
}

/** Bytes of all weights in a format. */
export function weightBytes(shape: Shape, format: WeightFormat): number {
  const kept = keptAs(format, shape);
  const table = { outputs: shape.vocabulary, inputs: shape.hidden };
  const layer = layerMatrices(shape).reduce((sum, matrix) => sum + matrixBytes(matrix, kept.layers), 0);
  return shape.layers * layer + (shape.tied ? 1 : 2) * matrixBytes(table, kept.tables);
}

/** Bytes of an element of keys and values. */
const KV_BYTES = { f32: 4, f16: 2, q8: 1 } as const;

/** Bytes of the keys (or the values) of one token at one step in one layer. */
const entryBytes = ({ kvHeads, headDim }: Shape, kv: Held["kv"]) => kvHeads * padded(headDim) * KV_BYTES[kv];

/** Bytes of the keys and values of one token at one step, all layers. */
export function kvBytesPerStep(shape: Shape, kv: Held["kv"]): number {
  return 2 * shape.layers * entryBytes(shape, kv);
}

/** Most tokens whose keys of a layer, every step kept, the GPU can bind at once. */
export function longestContext(shape: Shape, kv: Held["kv"], maxBinding: number): number {
  const tokens = Math.floor(maxBinding / entryBytes(shape, kv) / shape.steps);
  return Math.max(1, Math.min(tokens, shape.positions));
}

/** What the engine says of itself: rows of a pass, states that wait, words of a record and of a token's statistics. */
const ROWS = 128;
const STATES = 2 * ROWS + 512;
const RECORD_BYTES = 136;
const STATS_BYTES = 8 * 34 * 4;
const REQUEST_BYTES = 48;
const SEQUENCES = 64;
const LOGITS_BYTES = 16 * 2 ** 20;

/** Bytes of activations, states and staging, as the engine lays them out for passes of 128 rows. */
export function workspaceBytes(shape: Shape): number {
  const width = padded(shape.hidden);
  const vocabulary = padded(shape.vocabulary) * 4;
  const headRows = Math.min(Math.max(Math.floor(LOGITS_BYTES / vocabulary), 1), ROWS);
  const attention = padded(shape.heads * shape.headDim);
  const queries = shape.heads * padded(shape.headDim);
  const row = (3 * width + queries + attention + padded(shape.inner)) * 4 + REQUEST_BYTES + 4;
  const logits = headRows * vocabulary;
  const readback = Math.max(logits, ROWS * width * 4, ROWS * (RECORD_BYTES + STATS_BYTES + 4));
  const state = width * 4 + RECORD_BYTES + STATS_BYTES;
  const seen = SEQUENCES * Math.ceil(shape.vocabulary / 32) * 4;
  return ROWS * row + STATES * state + logits + seen + readback;
}

/** What a model held like this takes, its context full. */
export function needsOf(shape: Shape, held: Held): Needs {
  const weights = weightBytes(shape, held.format);
  const kv = kvBytesPerStep(shape, held.kv) * shape.steps * (held.context ?? shape.positions);
  const workspace = workspaceBytes(shape);
  return { weights, kv, workspace, total: weights + kv + workspace };
}
