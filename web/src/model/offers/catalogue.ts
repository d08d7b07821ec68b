import type { Shape } from "./shape.ts";

/** A model published on Hugging Face, and what to tell of it before it is loaded. */
export interface Published {
  title: string;
  /** "hf:organisation/name", as `LoopLM.load` takes it. */
  from: string;
  page: string;
  says: string;
  licence: string;
  /** Bytes of its weights' file. */
  download: number;
  shape: Shape;
  /** Whether it was made to think aloud before it answers. */
  thinks: boolean;
}

// Sizes and shapes as of the revisions that tests/reference/README.md names.
const LAYERS_24 = { layers: 24, download: 2_869_336_434 };
const LAYERS_48 = { layers: 48, download: 5_336_011_242 };

function ouro(
  title: string,
  { layers, download }: { layers: number; download: number },
  says: string,
  thinks: boolean,
): Published {
  const shape: Shape = {
    layers,
    hidden: 2048,
    inner: 5632,
    heads: 16,
    kvHeads: 16,
    headDim: 128,
    vocabulary: 49_152,
    steps: 4,
    positions: 65_536,
    tied: false,
    stored: 2,
  };
  const name = `ByteDance/${title}`;
  return {
    title,
    from: `hf:${name}`,
    page: `https://huggingface.co/${name}`,
    licence: "Apache-2.0",
    says,
    download,
    shape,
    thinks,
  };
}

/** The Ouro models of arXiv 2510.25741. */
export const PUBLISHED: readonly Published[] = [
  ouro("Ouro-1.4B", LAYERS_24, "The smallest one: 24 layers, looped four times.", false),
  ouro("Ouro-1.4B-Thinking", LAYERS_24, "The same size, taught to reason in words first.", true),
  ouro("Ouro-2.6B", LAYERS_48, "Twice the layers: slower, and it knows more.", false),
  ouro("Ouro-2.6B-Thinking", LAYERS_48, "The larger one, taught to reason in words first.", true),
];
