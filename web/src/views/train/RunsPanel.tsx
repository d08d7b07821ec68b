import { count, percent } from "../../model/format.ts";
import { reset, trainTwin, twinWanted } from "../../state/train/control.ts";
import { activate, drawn, isWorking, patchRun, type Run, runs, working } from "../../state/train/runs.ts";
import { ConfirmButton } from "../ConfirmButton.tsx";
import { KeptNote } from "./KeptNote.tsx";
import { runName } from "./names.ts";

/** All runs of this page: which is shown, which are overlaid, and the twin without the loop. */
export function RunsPanel({ run }: { run: Run }) {
  void drawn.value;
  return (
    <section class="card runs" aria-labelledby="runs-title">
      <h2 id="runs-title">Runs</h2>
      <div class="table-scroll">
        <table class="runs-table">
          <thead>
            <tr>
              <th scope="col">run</th>
              <th scope="col">task</th>
              <th scope="col">updates</th>
              <th scope="col">accuracy, last step</th>
              <th scope="col">overlaid</th>
              <th scope="col">
                <span class="visually-hidden">remove</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {runs.value.map((other) => (
              <Row key={other.id} run={other} active={other.id === run.id} />
            ))}
          </tbody>
        </table>
      </div>
      <KeptNote />
      {run.config.model.total_ut_steps > 1 && <Twin run={run} />}
    </section>
  );
}

function Row({ run, active }: { run: Run; active: boolean }) {
  void drawn.value;
  const name = runName(run, runs.value);
  const accuracy = run.history.evaluations.at(-1)?.accuracy.at(-1);
  return (
    <tr class={active ? "active" : undefined}>
      <th scope="row">
        <button type="button" class="quiet" aria-pressed={active} onClick={() => activate(run.id)}>
          {name}
        </button>
      </th>
      <td>{run.title}</td>
      <td class="mono">{count(Math.max(run.update, run.history.last?.update ?? 0))}</td>
      <td class="mono">{accuracy === undefined ? "–" : percent(accuracy)}</td>
      <td>
        {active ? (
          "shown"
        ) : (
          <input
            type="checkbox"
            aria-label={`Overlay ${name} on the charts`}
            checked={run.overlaid}
            onChange={(event) => patchRun(run.id, { overlaid: event.currentTarget.checked })}
          />
        )}
      </td>
      <td>
        {!active && !isWorking(run) && (
          <ConfirmButton
            words="Remove"
            again="Really remove"
            label={name}
            onConfirm={() => void reset(run.id)}
          />
        )}
      </td>
    </tr>
  );
}

function Twin({ run }: { run: Run }) {
  const queued = twinWanted.value === run.id;
  const words = queued
    ? "Do not train it after all"
    : working.value
      ? "Then train it without the loop"
      : "Train it without the loop";
  return (
    <p class="actions">
      <button
        type="button"
        class="secondary"
        data-testid="twin"
        aria-pressed={queued}
        disabled={working.value !== undefined && working.value.id !== run.id}
        onClick={() => void trainTwin(run.id)}
      >
        {words}
      </button>
      <span class="note">
        {queued
          ? "T = 1 follows when this run is over."
          : "The same parameters and as many updates with T = 1, overlaid on this run."}
      </span>
    </p>
  );
}
