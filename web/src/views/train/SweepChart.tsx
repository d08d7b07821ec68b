import { useSignal } from "@preact/signals";
import type { Gate } from "looplm";
import { percent } from "../../model/format.ts";
import { Slider } from "../Slider.tsx";
import { Leaves } from "./Leaves.tsx";
import { SweepPlot, SweepTable } from "./SweepPlot.tsx";

interface Props {
  gate: Gate;
  /** Steps of the model, T. */
  steps: number;
  /** Names of the difficulties, from easy to hard. */
  difficulties: readonly string[];
}

/** Accuracy against mean steps, a point for each threshold q; a slider walks along the curve. */
export function SweepChart({ gate, steps, difficulties }: Props) {
  const { sweep, fullAccuracy } = gate;
  const best = Math.max(
    sweep.findIndex((point) => point.q === gate.q),
    0,
  );
  const at = useSignal(best);
  const point = sweep[Math.min(at.value, sweep.length - 1)];
  if (!point) return null;
  return (
    <div class="sweep">
      <SweepPlot sweep={sweep} fullAccuracy={fullAccuracy} steps={steps} point={point} />
      <div class="sweep-side">
        <p>
          <strong>
            q = <span class="mono gate-ink">{point.q.toFixed(2)}</span>
          </strong>
        </p>
        <Slider
          min={0}
          max={sweep.length - 1}
          value={at.value}
          label="Threshold q along the curve"
          valueText={`q ${point.q.toFixed(2)}: ${point.meanSteps.toFixed(2)} mean steps, ${percent(point.accuracy)} right`}
          onValue={(value) => (at.value = value)}
        />
        <p class="ends">
          <span>faster</span>
          <span>deeper</span>
        </p>
        <dl>
          <dt>mean steps</dt>
          <dd>
            {point.meanSteps.toFixed(2)} of {steps}
          </dd>
          <dt>right</dt>
          <dd>{percent(point.accuracy)}</dd>
          <dt>all steps (dashed)</dt>
          <dd>{percent(fullAccuracy)}</dd>
        </dl>
        {gate.exitSteps.length > 1 && (
          <table class="exit-steps">
            <thead>
              <tr>
                <th scope="col">difficulty</th>
                <th scope="col">leaves at, q = {gate.q.toFixed(2)}</th>
              </tr>
            </thead>
            <tbody>
              {gate.exitSteps.map((step, i) => (
                <tr key={i}>
                  <th scope="row">{difficulties[i] ?? i + 1}</th>
                  <Leaves at={step} steps={steps} />
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </div>
      <SweepTable sweep={sweep} />
    </div>
  );
}
