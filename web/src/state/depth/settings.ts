import { computed, signal } from "@preact/signals";
import type { KvPolicy } from "looplm";
import {
  type Depth,
  keptWith,
  type Mode,
  type OtherRule,
  type Rule,
  ruleFields,
  within,
} from "../../model/depth/settings.ts";
import { q, steps } from "../view.ts";

/** How the next answer is made. */
export const mode = signal<Mode>("verified");
export const rule = signal<Rule>("gate");
/** Whether guesses that do not pay are left out. */
export const thrifty = signal(false);
/** What tokens leave behind, for each mode that may choose. */
const kept = signal<Record<"full" | "early", KvPolicy>>({ full: "full", early: "last-exited" });
/** The numbers of the other rules, as far as they were set. */
const numbers = signal<Partial<Record<OtherRule, number>>>({});

/** The other rules with their numbers, within what the steps allow. */
export const fields = computed(() =>
  ruleFields(steps.value).map((field) => {
    const value = within(field, numbers.value[field.rule] ?? field.value);
    return { ...field, value };
  }),
);

export const depth = computed<Depth>(() => depthOf(mode.value));
/** The policy in effect. */
export const kv = computed(() => keptWith(depth.value));

/** The threshold q, where a token that reaches it is really taken. */
export function decidedBy(): number | undefined {
  const { mode, rule } = depth.value;
  return mode === "early" && rule === "gate" ? q.value : undefined;
}

/** The settings with another mode. */
export function depthOf(mode: Mode): Depth {
  const field = fields.value.find((f) => f.rule === rule.value);
  // One step agrees with nothing.
  const one = field?.rule === "agree" && steps.value < 2;
  return {
    mode,
    rule: one ? "step" : (field?.rule ?? "gate"),
    value: one ? 1 : (field?.value ?? q.value),
    kv: mode === "verified" ? "full" : kept.value[mode],
    thrifty: thrifty.value,
  };
}

export function setNumber(rule: OtherRule, value: number): void {
  const field = fields.value.find((f) => f.rule === rule);
  if (field) numbers.value = { ...numbers.value, [rule]: within(field, value) };
}

export function setKv(policy: KvPolicy): void {
  if (mode.value !== "verified") kept.value = { ...kept.value, [mode.value]: policy };
}
