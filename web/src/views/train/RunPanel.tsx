import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { bytes, count } from "../../model/format.ts";
import { duration, rate, runLabel, spokenSummary } from "../../model/train/words.ts";
import { canAct, pause, reset, resume, step, stop } from "../../state/train/control.ts";
import { drawn, isWorking, type Run, type RunStatus } from "../../state/train/runs.ts";
import { hiddenTab, storageTrouble } from "../../state/train/session.ts";
import { ErrorNote } from "../ErrorNote.tsx";

const STATUS: Record<RunStatus, string> = {
  preparing: "preparing the GPU’s programs",
  running: "training",
  hidden: "waiting until this tab is seen",
  recovering: "the GPU went away; going on from the last checkpoint",
  pausing: "ending the update under way",
  finishing: "measuring and saving",
  paused: "paused",
  stopped: "stopped",
  done: "done",
  failed: "failed",
  kept: "kept from an earlier visit",
};

/** How the run is going, and the buttons that steer it. */
export function RunPanel({ run }: { run: Run }) {
  void drawn.value;
  const panel = useRef<HTMLElement>(null);
  // On a narrow screen the run is below what began it.
  useEffect(() => {
    if (run.status === "preparing") panel.current?.scrollIntoView({ block: "nearest" });
  }, [run.id]);
  const { last } = run.history;
  const updates = run.config.run.updates;
  const done = Math.max(run.update, last?.update ?? 0);
  return (
    <section ref={panel} class="card run" aria-labelledby="run-title">
      <div class="run-head">
        <h2 id="run-title">
          {run.title} <span class="note">{runLabel(run.config)}</span>
        </h2>
        <span class="run-status" data-testid="run-status" data-status={run.status} data-update={run.update}>
          {STATUS[run.status]}
        </span>
      </div>
      <progress
        aria-label="Updates done"
        max={updates}
        value={run.status === "preparing" && done === 0 ? undefined : done}
      />
      <dl class="run-facts">
        <Fact name="update" value={`${count(done)} of ${count(updates)}`} />
        <Fact name="tokens/s" value={last && isWorking(run) ? rate(last.tokensPerSecond) : "–"} />
        <Fact
          name="time left"
          value={run.status === "done" ? "none" : last ? duration(last.secondsLeft) : "–"}
        />
        <Fact name="trained for" value={last ? duration(last.seconds) : "–"} />
        <Fact name="loss" value={last ? last.loss.toFixed(3) : "–"} />
        <Fact name="learning rate" value={last ? last.learningRate.toPrecision(2) : "–"} />
      </dl>
      {run.facts && (
        <p class="small-print">
          {count(run.facts.parameters)} parameters; the run takes {bytes(run.facts.memoryBytes)} of GPU
          memory.
          {run.restarts > 0 && ` The GPU went away ${run.restarts} times; nothing of the run is lost.`}
        </p>
      )}
      <Buttons key={run.id} run={run} />
      {run.error && (
        <ErrorNote error={run.error}>
          {run.savedAt !== undefined && <p>What was trained until update {count(run.update)} is kept.</p>}
        </ErrorNote>
      )}
      {storageTrouble.value !== undefined && (
        <p class="note problem">
          This browser did not take the checkpoint ({storageTrouble.value}): the run would not survive a
          reload.
        </p>
      )}
      <p class="visually-hidden" role="status" data-testid="run-summary">
        {STATUS[run.status]}. {spokenSummary(run.history, updates)}
      </p>
    </section>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function Buttons({ run }: { run: Run }) {
  const sure = useSignal(false);
  const { id, status } = run;
  const rests = canAct(run);
  const unfinished = status !== "done" && run.update < run.config.run.updates;
  return (
    <div class="run-buttons">
      {isWorking(run) ? (
        <>
          <button
            type="button"
            class="primary"
            disabled={status === "pausing" || status === "finishing"}
            onClick={pause}
          >
            Pause
          </button>
          <button
            type="button"
            class="secondary"
            disabled={status === "finishing"}
            title="End here: measure, and keep the model"
            onClick={stop}
          >
            Stop
          </button>
        </>
      ) : (
        unfinished && (
          <>
            <button type="button" class="primary" disabled={!rests} onClick={() => void resume(id)}>
              Continue
            </button>
            <button
              type="button"
              class="secondary"
              disabled={!rests}
              title="Make one update"
              onClick={() => void step(id)}
            >
              Step
            </button>
          </>
        )
      )}
      <button
        type="button"
        class="secondary"
        onClick={() => {
          if (sure.value) void reset(id);
          sure.value = !sure.value;
        }}
        onBlur={() => (sure.value = false)}
      >
        {sure.value ? "Really throw it away?" : "Reset"}
      </button>
      <label class="hidden-tab">
        <input
          type="checkbox"
          checked={hiddenTab.value === "pause"}
          onChange={(event) => (hiddenTab.value = event.currentTarget.checked ? "pause" : "continue")}
        />
        Wait while this tab is hidden <small>(from the next start)</small>
      </label>
    </div>
  );
}
