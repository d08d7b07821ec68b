import { active } from "../../state/train/runs.ts";
import { AccuracyTable } from "./AccuracyTable.tsx";
import { AccuracyChart, EntropyChart, LossChart } from "./Charts.tsx";
import { GatePanel } from "./GatePanel.tsx";
import { PresetPanel } from "./PresetPanel.tsx";
import { ResultPanel } from "./ResultPanel.tsx";
import { RunPanel } from "./RunPanel.tsx";
import { RunsPanel } from "./RunsPanel.tsx";
import { SetupPanel } from "./SetupPanel.tsx";

/** Training a looped model in this tab: what to learn, the run, and what comes of it. */
export function TrainView() {
  return (
    <div class="train">
      <div class="train-setup">
        <PresetPanel />
        <SetupPanel />
      </div>
      <div class="train-run">
        {active.value ? (
          <>
            <RunPanel run={active.value} />
            <div class="train-charts">
              <AccuracyTable run={active.value} />
              <LossChart run={active.value} />
              <AccuracyChart run={active.value} />
              <EntropyChart run={active.value} />
            </div>
            <RunsPanel run={active.value} />
            <ResultPanel run={active.value} />
            <GatePanel run={active.value} />
          </>
        ) : (
          <Empty />
        )}
      </div>
    </div>
  );
}

function Empty() {
  return (
    <section class="card train-empty" aria-labelledby="empty-title">
      <h2 id="empty-title">Accuracy climbs loop by loop</h2>
      <p class="note">
        Press Train, and this side fills: how often each loop is right at each difficulty, the loss of every
        loop, and the step at which the gate lets a token go. Training never starts by itself, runs on this
        machine’s GPU, and nothing leaves this tab.
      </p>
      <div class="exit-empty">No run yet.</div>
    </section>
  );
}
