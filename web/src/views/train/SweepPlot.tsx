import type { SweepPoint } from "looplm";
import { sampled } from "../../layout/series.ts";
import { accuracyFloor, accuracyTicks, SWEEP, sweepPath, sweepScale } from "../../layout/sweep.ts";
import { percent } from "../../model/format.ts";

const TABLE_ROWS = 13;

interface Props {
  sweep: readonly SweepPoint[];
  /** Accuracy of all steps, which is dashed. */
  fullAccuracy: number;
  /** Steps of the model, T. */
  steps: number;
  /** The point that is marked. */
  point: SweepPoint;
}

/** The curve of accuracy against mean steps, a point for each threshold q. A picture: the numbers are in the table. */
export function SweepPlot({ sweep, fullAccuracy, steps, point }: Props) {
  const all = { q: 1, meanSteps: steps, accuracy: fullAccuracy };
  const floor = Math.min(accuracyFloor(sweep), accuracyFloor([all]), accuracyFloor([point]));
  const { x, y } = sweepScale(steps, floor);
  const { width, height, left, right, bottom } = SWEEP;
  return (
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
  );
}

/** The same as a table. */
export function SweepTable({ sweep }: Pick<Props, "sweep">) {
  return (
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
  );
}
