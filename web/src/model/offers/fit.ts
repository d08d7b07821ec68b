import { bytes } from "../format.ts";
import type { Device } from "./device.ts";
import { contexts, FORMATS, type Held } from "./held.ts";
import { longestContext, needsOf } from "./needs.ts";
import type { Shape } from "./shape.ts";

/** Whether a model will run here, as far as that can be known beforehand. */
export type Verdict = "fits" | "unknown" | "tight" | "too-large";

/** The part of a machine's memory that a page can hope for without pushing everything else out. */
const COMFORTABLE = 0.5;
/** Reported figures are rounded to powers of two: there may be half as much again, and no more. */
const ROUNDING = 1.5;

export function verdictOf(total: number, device: Device): Verdict {
  const { memory, atLeast, shared } = device;
  if (memory === undefined) return "unknown";
  if (total <= memory * COMFORTABLE) return "fits";
  if (atLeast) return "unknown";
  return shared && total > memory * ROUNDING ? "too-large" : "tight";
}

/** The context in use: what was chosen, within what the GPU can bind. */
export function withinBinding(shape: Shape, held: Held, device: Device | undefined): Held {
  if (device === undefined) return held;
  const most = longestContext(shape, held.kv, device.maxBinding);
  return (held.context ?? shape.positions) > most ? { ...held, context: most } : held;
}

/** The verdict in words. */
export function verdictWords(verdict: Verdict, device: Device | undefined): string {
  if (device?.memory === undefined)
    return "This browser does not say how much memory there is; loading it will tell.";
  const there = `${device.atLeast ? "at least " : "about "}${bytes(device.memory)}`;
  switch (verdict) {
    case "fits":
      return device.shared
        ? `This machine has ${there} of memory: it should fit.`
        : `Fits where the GPU shares this machine’s memory (${there}); a graphics card needs as much of its own.`;
    case "tight":
      return device.shared
        ? `This machine has ${there} of memory, which the GPU shares with everything else: it will be tight.`
        : `This machine has ${there} of memory: only a graphics card with enough of its own has room for it.`;
    case "too-large":
      return `Too large: this machine has ${there} of memory, and its GPU has none of its own.`;
    case "unknown":
      return `This machine has ${there} of memory; how much of it the GPU can use, no browser says.`;
  }
}

/**
 * How the model would fit: the first of the smaller ways to hold it, weights before context, that is not too large.
 * Undefined if none is, or if it is not too large as it is.
 */
export function whatFits(shape: Shape, held: Held, device: Device): Held | undefined {
  const tooLarge = (way: Held) => verdictOf(needsOf(shape, way).total, device) === "too-large";
  return tooLarge(held) ? smallerWays(shape, held).find((way) => !tooLarge(way)) : undefined;
}

/** Every way to hold a model that takes less than this one: other formats first, then shorter contexts. */
export function smallerWays(shape: Shape, held: Held): Held[] {
  const { weights, total } = needsOf(shape, held);
  const formats = FORMATS.map(({ format }) => ({ ...held, kv: "f16" as const, format }))
    .map((way) => ({ way, weights: needsOf(shape, way).weights }))
    .filter((one) => one.weights <= weights)
    .sort((one, other) => other.weights - one.weights)
    .map(({ way }) => way);
  const smallest = formats.at(-1) ?? held;
  const shorter = contexts(shape.positions)
    .filter((tokens) => tokens < (held.context ?? shape.positions))
    .reverse()
    .map((context) => ({ ...smallest, context }));
  return [...formats, ...shorter].filter((way) => needsOf(shape, way).total < total);
}
