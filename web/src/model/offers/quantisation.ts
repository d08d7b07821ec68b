import type { WeightFormat } from "looplm";

/** How a model in a smaller format compares with itself in f32, as measured; a number for each recurrent step. */
export interface Quantised {
  /** Share of tokens whose best next token is the same. */
  top1: readonly number[];
  /** Mean divergence of the next-token distribution, in nats. */
  kl: readonly number[];
  /** Share of tokens that leave the loop at another step. */
  exitChanged: number | undefined;
  /** Tokens it was measured on. */
  positions: number | undefined;
}

const numbers = (value: unknown): value is number[] =>
  Array.isArray(value) && value.length > 0 && value.every((n) => typeof n === "number" && Number.isFinite(n));

/** What a model's quantisation.json says of a format; undefined where it says nothing that can be shown. */
export function quantised(file: unknown, format: WeightFormat): Quantised | undefined {
  const { formats: all, measured } = Object(file) as { formats?: unknown; measured?: unknown };
  const formats = Object(all) as Record<string, unknown>;
  if (!Object.hasOwn(formats, format)) return undefined;
  const { top1, kl, exitChanged } = Object(formats[format]) as Record<string, unknown>;
  if (!numbers(top1) || !numbers(kl) || top1.length !== kl.length) return undefined;
  const { positions } = Object(measured) as Record<string, unknown>;
  const number = (value: unknown) => (typeof value === "number" ? value : undefined);
  return { top1, kl, exitChanged: number(exitChanged), positions: number(positions) };
}

/** 0.9912 -> "99.1 %". Only what is exactly 1 reads as 100. */
export function agreement(share: number): string {
  if (share < 1 && share > 0.999) return ">99.9 %";
  return `${share === 1 ? 100 : (share * 100).toFixed(1)} %`;
}
