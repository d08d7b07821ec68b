import { useSignal } from "@preact/signals";
import type { Gate } from "looplm";
import { sampled } from "../../layout/series.ts";
import { accuracyFloor, accuracyTicks, SWEEP, sweepPath, sweepScale } from "../../layout/sweep.ts";
import { percent } from "../../model/format.ts";
import { Slider } from "../Slider.tsx";
import { Leaves } from "./Leaves.tsx";

const TABLE_ROWS = 13;

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
  const floor = Math.min(
    accuracyFloor(sweep),
    accuracyFloor([{ q: 1, meanSteps: steps, accuracy: fullAccuracy }]),
  );
  const { x, y } = sweepScale(steps, floor);
  const { width, height, left, right, bottom } = SWEEP;
  return (
    <div class="sweep">
      <svg
        class="sweep-svg"
        viewBox={`0 0 ${width} ${height}`}
        role="img"
        aria-label="Accuracy against mean steps. The numbers are in the table below."
      >
        {accuracyTicks(floor).map((tick) => (
          <g key={tick}>
            <path class="sweep-grid" d={`M${left} ${y(tick)}H${width - right}`} />
            <text x={left - 8} y={y(tick) + 4} text-anchor="end">
              {percent(tick)}
            </text>
          </g>
        ))}
        {Array.from({ length: steps }, (_, i) => (
          <text key={i} x={x(i + 1)} y={height - bottom + 18} text-anchor="middle">
            {i + 1}
          </text>
        ))}
        <text x={(left + width - right) / 2} y={height - 4} text-anchor="middle">
          mean steps
        </text>
        <path class="sweep-full" d={`M${left} ${y(fullAccuracy)}H${width - right}`} />
        <path class="sweep-line" d={sweepPath(sweep, steps, floor)} />
        <circle class="sweep-point" cx={x(point.meanSteps)} cy={y(point.accuracy)} r="6" />
      </svg>
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
      <details class="chart-table">
        <summary>As a table</summary>
        <table>
          <caption class="visually-hidden">Accuracy against mean steps</caption>
          <thead>
            <tr>
              <th scope="col">q</th>
              <th scope="col">mean steps</th>
              <th scope="col">accuracy</th>
            </tr>
          </thead>
          <tbody>
            {sampled(sweep.length, TABLE_ROWS).map((i) => (
              <tr key={i}>
                <th scope="row">{sweep[i]!.q.toFixed(2)}</th>
                <td>{sweep[i]!.meanSteps.toFixed(2)}</td>
                <td>{percent(sweep[i]!.accuracy)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </div>
  );
}
