import { gateSummary } from "../../model/train/words.ts";
import { canAct } from "../../state/train/control.ts";
import { gateError, label, stopTeaching, teachGate, teaching } from "../../state/train/gate.ts";
import { drawn, type Run } from "../../state/train/runs.ts";
import { ErrorNote } from "../ErrorNote.tsx";
import { SweepChart } from "./SweepChart.tsx";

/** Stage II: teaching the gate to leave at the first step that is enough, and what each threshold then gives. */
export function GatePanel({ run }: { run: Run }) {
  void drawn.value;
  const steps = run.config.model.total_ut_steps;
  if (steps < 2 || run.update === 0) return null;
  const { gate } = run.history;
  const progress = teaching.value?.run === run.id ? teaching.value : undefined;
  return (
    <section class="card gate-panel" aria-labelledby="gate-title">
      <h2 id="gate-title">Teach the gate</h2>
      <p class="note">
        The model stays as it is; only the gate learns when another step stops paying (Stage II of the paper).
        It takes seconds.
      </p>
      {progress ? (
        <div class="load-progress">
          <progress
            aria-label="Gate updates done"
            max={Math.max(progress.of, 1)}
            value={progress.of > 0 ? progress.done : undefined}
          />
          <span class="note">
            {progress.of > 0 ? `${progress.done} of ${progress.of}` : "Caching the hidden states"}
          </span>
          <button type="button" class="quiet" onClick={stopTeaching}>
            Stop
          </button>
        </div>
      ) : (
        <p class="actions">
          <button
            type="button"
            class="primary"
            data-testid="teach"
            disabled={!canAct(run) || teaching.value !== undefined}
            onClick={() => void teachGate(run.id)}
          >
            {gate ? "Teach it again" : "Teach the gate"}
          </button>
          <LabelChoice />
        </p>
      )}
      {gateError.value?.run === run.id && <ErrorNote error={gateError.value.error} />}
      {gate && (
        <div class="gate-result" data-testid="gate-result">
          <p class="caption">
            {gateSummary(gate, steps)} Its loss went from {gate.lossBefore.toFixed(3)} to{" "}
            {gate.lossAfter.toFixed(3)}.
          </p>
          <SweepChart
            key={`${run.id} ${gate.lossAfter}`}
            gate={gate}
            steps={steps}
            difficulties={run.facts?.difficulties ?? []}
          />
        </div>
      )}
    </section>
  );
}

function LabelChoice() {
  return (
    <label class="gate-label">
      It leaves when{" "}
      <select
        value={label.value}
        onChange={(event) => (label.value = event.currentTarget.value === "paper" ? "paper" : "look-ahead")}
      >
        <option value="look-ahead">no step to come would help</option>
        <option value="paper">the last step did not help (the paper’s label)</option>
      </select>
    </label>
  );
}
