import type { WeightFormat } from "looplm";
import { count } from "../format.ts";
import type { Held } from "./held.ts";

/** How a model in a smaller format compares with itself in f32, as measured; a number for each recurrent step. */
export interface Quantised {
  /** Share of tokens whose best next token is the same. */
  top1: readonly number[];
  /** Mean divergence of the next-token distribution, in nats. */
  kl: readonly number[];
  /** Share of tokens that leave the loop at another step. */
  exitChanged: number | undefined;
  /** The tokens that these figures are of, in words. */
  on: string | undefined;
  /** What keys and values were held as meanwhile. */
  kv: Held["kv"] | undefined;
  /** The share at the last step over all tokens, where those are more and it is another. */
  everywhere: { top1: number; positions: number } | undefined;
}

const numbers = (value: unknown): value is number[] =>
  Array.isArray(value) && value.length > 0 && value.every((n) => typeof n === "number" && Number.isFinite(n));
const number = (value: unknown) => (typeof value === "number" ? value : undefined);

/** What a model's quantisation.json says of a format; undefined where it says nothing that can be shown. */
export function quantised(file: unknown, format: WeightFormat): Quantised | undefined {
  const { formats: all, measured, kvFormat } = Object(file) as Record<string, unknown>;
  const formats = Object(all) as Record<string, unknown>;
  if (!Object.hasOwn(formats, format)) return undefined;
  const { top1, kl, exitChanged, everywhere } = Object(formats[format]) as Record<string, unknown>;
  if (!numbers(top1) || !numbers(kl) || top1.length !== kl.length) return undefined;
  const { positions } = Object(measured) as Record<string, unknown>;
  const { top1: overAll } = Object(everywhere) as Record<string, unknown>;
  const last = numbers(overAll) ? overAll.at(-1)! : undefined;
  const more = last !== undefined && last !== top1.at(-1) && typeof positions === "number";
  return {
    top1,
    kl,
    exitChanged: number(exitChanged),
    on: measuredOn(measured),
    kv: kvFormat === "f16" || kvFormat === "f32" || kvFormat === "q8" ? kvFormat : undefined,
    everywhere: more ? { top1: last, positions } : undefined,
  };
}

/** The tokens that the figures are of: those with a target, where there are any. */
function measuredOn(measured: unknown): string | undefined {
  const { on, positions, targets } = Object(measured) as Record<string, unknown>;
  const asked = number(targets) || undefined;
  const tokens = asked ?? number(positions);
  if (tokens === undefined) return undefined;
  const said = `${count(tokens)} tokens`;
  if (asked !== undefined) return `the ${said} of its task that it has to find`;
  return on === "generated" ? `${said} that it wrote itself` : said;
}

/** What keys and values are held as, in words. */
export function kvWords(kv: Held["kv"]): string {
  return { q8: "8 bits", f16: "16 bits", f32: "32 bits" }[kv];
}

/** 0.9912 -> "99.1 %". Only what is exactly 1 reads as 100. */
export function agreement(share: number): string {
  if (share < 1 && share > 0.999) return ">99.9 %";
  return `${share === 1 ? 100 : (share * 100).toFixed(1)} %`;
}
