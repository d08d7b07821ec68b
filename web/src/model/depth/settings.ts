import type { ExitRule, GenerateOptions, KvPolicy } from "looplm";
import { plural } from "../format.ts";

/** How deep tokens go: all steps; a guess that all steps check; or really leaving early. */
export type Mode = "full" | "verified" | "early";

export const MODES: readonly { mode: Mode; name: string; says: string }[] = [
  { mode: "full", name: "Full depth", says: "Every word takes all its steps, one word after another." },
  {
    mode: "verified",
    name: "Verified early exit",
    says: "An early step guesses the word, and the next one begins at once. The last step has the last word.",
  },
  {
    mode: "early",
    name: "Leave early",
    says: "A word is taken as soon as the model is sure enough. Faster, but it may say something else.",
  },
];

/** Rules the page offers besides the gate's threshold q, with the one number each takes. */
export type OtherRule = "confidence" | "entropy" | "hidden" | "agree" | "step";
export type Rule = "gate" | OtherRule;

export interface RuleField {
  rule: OtherRule;
  name: string;
  /** What the number is. */
  label: string;
  says: string;
  min: number;
  max: number;
  step: number;
  value: number;
}

/** The other rules for a model of `steps` recurrent steps. */
export function ruleFields(steps: number): RuleField[] {
  const most = Math.max(steps, 2);
  return [
    {
      rule: "confidence",
      name: "Confidence",
      label: "probability of the best word",
      says: "Leaves when the best word is this likely.",
      ...{ min: 0.05, max: 1, step: 0.05, value: 0.8 },
    },
    {
      rule: "entropy",
      name: "Entropy",
      label: "nats at most",
      says: "Leaves when the choice is this narrow: 0.7 is about two words, 0 is one.",
      ...{ min: 0.01, max: 12, step: 0.05, value: 0.5 },
    },
    {
      rule: "hidden",
      name: "Hidden change",
      label: "change at most",
      says: "Leaves when a step changes the model’s state by less than this share.",
      ...{ min: 0.01, max: 2, step: 0.05, value: 0.3 },
    },
    {
      rule: "agree",
      name: "Agreement",
      label: "steps in a row",
      says: "Leaves when so many steps in a row would say the same word.",
      ...{ min: 2, max: most, step: 1, value: 2 },
    },
    {
      rule: "step",
      name: "Fixed step",
      label: "step",
      says: "Leaves after this step, always.",
      ...{ min: 1, max: Math.max(steps, 1), step: 1, value: Math.max(Math.ceil(steps / 2), 1) },
    },
  ];
}

/** A number as a rule takes it: within its range, and whole where it counts steps. */
export function within(field: RuleField, value: number): number {
  if (!Number.isFinite(value)) return field.value;
  const kept = Math.min(Math.max(value, field.min), field.max);
  return field.step === 1 ? Math.round(kept) : kept;
}

/** Everything the panel says about how the next answer is made. */
export interface Depth {
  mode: Mode;
  rule: Rule;
  /** The gate's threshold, or the number of the other rule. */
  value: number;
  /** What is kept for later tokens; verified answers keep everything. */
  kv: KvPolicy;
  /** Verified only: leave out guesses where they do not pay. */
  thrifty: boolean;
}

/** The exit rule as the package takes it. */
export function exitRule({ rule, value }: Pick<Depth, "rule" | "value">): ExitRule {
  switch (rule) {
    case "gate":
      return { gate: value };
    case "confidence":
      return { confidence: value };
    case "entropy":
      return { entropy: value };
    case "hidden":
      return { hidden: value };
    case "agree":
      return { agree: value };
    case "step":
      return { step: value };
  }
}

/** What `generate` is asked for. */
export function depthOptions(depth: Depth): Pick<GenerateOptions, "exit" | "kv" | "verify"> {
  switch (depth.mode) {
    case "full":
      return { exit: "full", kv: depth.kv, verify: false };
    case "verified":
      return { exit: exitRule(depth), kv: "full", verify: depth.thrifty ? true : "always" };
    case "early":
      return { exit: exitRule(depth), kv: depth.kv, verify: false };
  }
}

/** The policy that is really in effect. */
export function keptWith({ mode, kv }: Depth): KvPolicy {
  return mode === "verified" ? "full" : kv;
}

/** Whether two answers would be made alike: what a mode does not look at is left out. */
export function sameDepth(a: Depth, b: Depth): boolean {
  return JSON.stringify(depthOptions(a)) === JSON.stringify(depthOptions(b));
}

/** The rule in a few words: "gate 80 %", "step 2". */
export function ruleWords({ rule, value }: Pick<Depth, "rule" | "value">): string {
  switch (rule) {
    case "gate":
      return value >= 1 ? "gate never" : `q ${value.toFixed(2)}`;
    case "confidence":
      return `confidence ${value.toFixed(2)}`;
    case "entropy":
      return `entropy ${value.toFixed(2)}`;
    case "hidden":
      return `change ${value.toFixed(2)}`;
    case "agree":
      return `${plural(value, "step")} agree`;
    case "step":
      return `always step ${value}`;
  }
}
