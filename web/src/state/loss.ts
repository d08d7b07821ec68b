import { signal } from "@preact/signals";
import type { LoopLM } from "looplm";
import { open } from "./model.ts";

/** What became of the open model's GPU. */
export type Loss = "restoring" | "restored" | "gone";

/** Set once the GPU of the open model went away. */
export const loss = signal<Loss | undefined>(undefined);

/** How long it is said that the model is back, in milliseconds. */
const SAID = 6000;

/** Follows what becomes of the open model's GPU. */
export function followLoss(model: LoopLM): void {
  loss.value = undefined;
  const say = (what: Loss) => {
    if (open.value?.model === model) loss.value = what;
  };
  model.addEventListener("lost", ({ detail }) => say(detail.restoring ? "restoring" : "gone"));
  model.addEventListener("restored", () => {
    say("restored");
    setTimeout(() => {
      if (loss.value === "restored") loss.value = undefined;
    }, SAID);
  });
}
