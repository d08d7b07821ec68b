import { effect, untracked } from "@preact/signals";
import { firstQuestion } from "../model/who/task.ts";
import * as chat from "./chat-run.ts";
import * as curve from "./depth/curve.ts";
import { lookAtDevice } from "./offers/device.ts";
import { lookAtKept } from "./offers/kept.ts";
import { stopMeasuring } from "./depth/measure.ts";
import * as meter from "./depth/meter.ts";
import { followLoss } from "./loss.ts";
import { FIRST, noWebGpu, open, opening, openModel } from "./model.ts";
import { show, view } from "./route.ts";
import * as shuffle from "./shuffle-run.ts";
import { recallKept } from "./train/session.ts";
import { followAddress, loadPresets } from "./train/setup.ts";
import { columns, steps } from "./view.ts";
import * as who from "./who/run.ts";

/**
 * Lets every model answer its example at once, beginning with the shipped one. Each view fetches what it needs when it
 * is first shown.
 */
export function start(): void {
  effect(() => {
    const current = open.value;
    if (!current) return;
    untracked(() => {
      shuffle.stop();
      chat.clear();
      stopMeasuring();
      meter.clear();
      curve.clear();
      columns.value = [];
      shuffle.asked.value = [];
      steps.value = Math.min(current.info.architecture.steps, 8);
      who.clear();
      followLoss(current.model);
      chat.begin();
      // What was opened to be used: the view that uses it is the place to be.
      if (view.value === "models") {
        show("watch");
        document.getElementById("main")?.focus({ preventScroll: true });
        window.scrollTo(0, 0);
      }
      const { task } = current;
      if (task?.kind === "track-the-shuffle") {
        shuffle.prompt.value = task.example;
        void shuffle.ask();
      } else if (task) void who.ask(firstQuestion(task));
    });
  });
  followAddress();
  let recalled = false;
  effect(() => {
    if (noWebGpu.value) return;
    if (view.value === "train") {
      void untracked(loadPresets);
      if (!recalled) void untracked(recallKept);
      recalled = true;
    } else if (view.value === "models") {
      void untracked(lookAtDevice);
    } else if (open.peek() === undefined && opening.peek() === undefined) {
      void untracked(() => openModel(FIRST));
    }
  });
  // What is kept changes with every load, also with one that was given up.
  effect(() => {
    if (view.value === "models" && opening.value === undefined) void untracked(lookAtKept);
  });
}

/**
 * Sets the number of recurrent steps. The shell game and who is who answer anew; a text keeps what it has until the next
 * question.
 */
export function setSteps(count: number): void {
  steps.value = count;
  const kind = open.value?.task?.kind;
  if (kind === "track-the-shuffle") void shuffle.ask();
  else if (kind === "who-is-who") void who.askAgain();
}
