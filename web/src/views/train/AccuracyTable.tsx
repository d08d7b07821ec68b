import { cellColours } from "../../layout/colours.ts";
import { count, percent } from "../../model/format.ts";
import { reachOf } from "../../model/train/words.ts";
import { theme } from "../../state/theme.ts";
import { drawn, overlays, type Run, runs } from "../../state/train/runs.ts";
import { Leaves } from "./Leaves.tsx";
import { runName } from "./names.ts";

/** The heat-map of accuracy, difficulty by step, with the step at which each difficulty leaves; a table as it stands. */
export function AccuracyTable({ run }: { run: Run }) {
  void drawn.value;
  const evaluation = run.history.evaluations.at(-1);
  const steps = evaluation?.accuracy.length ?? run.config.model.total_ut_steps;
  const others = overlays.value.filter((other) => other.history.evaluations.length > 0);
  const rows = evaluation?.difficulties ?? [];
  return (
    <section class="card chart accuracy" aria-labelledby="heat-title">
      <h2 id="heat-title">Accuracy, difficulty by step</h2>
      <p class="note">
        How often each step is right on samples that were held out: the fuller, the more often. Easy at the
        top.
      </p>
      {evaluation ? (
        <div class="table-scroll">
          <table class="heat" data-testid="heat" data-update={evaluation.update}>
            <caption class="visually-hidden">
              Accuracy by difficulty and step after {count(evaluation.update)} updates
            </caption>
            <thead>
              <tr>
                <th scope="col">difficulty</th>
                {Array.from({ length: steps }, (_, i) => (
                  <th key={i} scope="col">
                    step {i + 1}
                  </th>
                ))}
                {steps > 1 && <th scope="col">leaves at</th>}
                {others.map((other) => (
                  <th key={other.id} scope="col" class="other">
                    {runName(other, runs.value)}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rows.map((row, r) => (
                <tr key={row.name}>
                  <th scope="row">{row.name}</th>
                  {row.accuracy.map((accuracy, i) => (
                    <Cell key={i} step={i + 1} steps={steps} accuracy={accuracy} />
                  ))}
                  {steps > 1 && <Leaves at={row.expectedSteps} steps={steps} />}
                  {others.map((other) => {
                    const all = other.history.evaluations.at(-1)?.difficulties[r]?.accuracy ?? [];
                    const last = all.at(-1);
                    return last === undefined ? (
                      <td key={other.id}>–</td>
                    ) : (
                      <Cell key={other.id} step={all.length} steps={all.length} accuracy={last} />
                    );
                  })}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : (
        <div class="exit-empty">The first evaluation is on its way.</div>
      )}
      {evaluation && (
        <p class="caption">
          {reachOf(evaluation)}{" "}
          {evaluation.figures.map(([name, value]) => `${name}: ${Number(value.toPrecision(3))}.`).join(" ")}
        </p>
      )}
    </section>
  );
}

function Cell({ step, steps, accuracy }: { step: number; steps: number; accuracy: number }) {
  const { background, text } = cellColours(theme.value, step, steps, accuracy);
  return (
    <td class="heat-cell">
      <span style={{ background, color: text }}>{percent(accuracy)}</span>
    </td>
  );
}
