import type { LoadOptions, WeightFormat } from "looplm";
import { parameters, type Shape } from "./shape.ts";

/** How a model is to be held on the GPU. */
export interface Held {
  format: WeightFormat;
  /** What keys and values are held as. */
  kv: "f16" | "f32" | "q8";
  /** Most tokens of a conversation; undefined: as many as the model was made for. */
  context: number | undefined;
}

/** From so many parameters on, how a model is held decides whether it fits. */
const LARGE = 100_000_000;
/** Tokens to begin with: room for a conversation, and a thought more for models that think aloud. */
const TALK = 2048;
const THOUGHT = 4096;
/** The shortest context on offer. */
const SHORTEST = 256;

export const FORMATS: readonly { format: WeightFormat; name: string; says: string }[] = [
  { format: "q4", name: "4 bits", says: "A quarter of the memory of 16 bits; a little is lost." },
  { format: "q8", name: "8 bits", says: "Half the memory; next to nothing is lost." },
  { format: "f16", name: "16 bits", says: "Half precision, as most graphics cards like it." },
  { format: "stored", name: "as stored", says: "Whatever the checkpoint has, untouched." },
];

export function isLarge(shape: Shape): boolean {
  return parameters(shape) >= LARGE;
}

/** How to hold a model unless a person says otherwise: a large one small, a small one as it is. */
export function recommended(shape: Shape | undefined, thinks = false): Held {
  if (shape === undefined || !isLarge(shape)) return { format: "stored", kv: "f16", context: undefined };
  return { format: "q4", kv: "f16", context: Math.min(thinks ? THOUGHT : TALK, shape.positions) };
}

/** The contexts to choose from, shortest first: powers of two up to `most`, and `most` itself. */
export function contexts(most: number): number[] {
  const found: number[] = [];
  for (let tokens = SHORTEST; tokens < most; tokens *= 2) found.push(tokens);
  return [...found, most];
}

/** What `LoopLM.load` is to be told. */
export function loadOptions({ format, kv, context }: Held): LoadOptions {
  return { format, kv, ...(context === undefined ? {} : { contextLength: context }) };
}

/** "4 bits, 2,048 tokens": what was chosen, in a line. */
export function heldWords({ format, context }: Held): string {
  const { name } = FORMATS.find((one) => one.format === format)!;
  const weights = format === "stored" ? "Weights as stored" : name;
  return context === undefined ? weights : `${weights}, ${context.toLocaleString("en")} tokens of context`;
}

/** The settings a person kept, as far as they make sense; what does not is as recommended. */
export function readHeld(kept: unknown, usual: Held): Held {
  const { format, kv, context } = Object(kept) as Record<string, unknown>;
  return {
    format: FORMATS.find((one) => one.format === format)?.format ?? usual.format,
    kv: kv === "f16" || kv === "f32" || kv === "q8" ? kv : usual.kv,
    context:
      usual.context !== undefined && typeof context === "number" && Number.isInteger(context) && context > 0
        ? context
        : usual.context,
  };
}
