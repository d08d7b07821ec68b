import { effect, untracked } from "@preact/signals";
import * as chat from "./chat-run.ts";
import { noWebGpu, open, openModel, SHIPPED } from "./model.ts";
import * as shuffle from "./shuffle-run.ts";
import { columns, steps } from "./view.ts";

/** Opens the shipped model and lets it answer its example at once; does the like for every model opened later. */
export function start(): void {
  effect(() => {
    const current = open.value;
    if (!current) return;
    untracked(() => {
      shuffle.stop();
      chat.clear();
      columns.value = [];
      shuffle.asked.value = [];
      steps.value = Math.min(current.info.architecture.steps, 8);
      if (current.task) {
        shuffle.prompt.value = current.task.example;
        void shuffle.ask();
      }
    });
  });
  if (!noWebGpu.value) void openModel(SHIPPED);
}

/** Sets the number of recurrent steps. The shell game answers anew; a text keeps what it has until the next question. */
export function setSteps(count: number): void {
  steps.value = count;
  if (open.value?.task) void shuffle.ask();
}
