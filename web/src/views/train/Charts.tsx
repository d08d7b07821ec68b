import { useMemo } from "preact/hooks";
import { stepHue } from "../../layout/colours.ts";
import { aligned, condensed, type Line } from "../../layout/series.ts";
import { percent } from "../../model/format.ts";
import { stepsOf } from "../../model/train/history.ts";
import { theme } from "../../state/theme.ts";
import { drawn, overlays, type Run, runs } from "../../state/train/runs.ts";
import { runName } from "./names.ts";
import { LineChart, type Series } from "./LineChart.tsx";

/** Most points of a line: a chart is a few hundred pixels wide. */
const MOST_POINTS = 400;
const DASHES = [
  [7, 4],
  [2, 3],
  [12, 3, 2, 3],
];

interface Drawn {
  series: Series[];
  lines: Line[];
}

function overUpdates(
  { history }: Run,
  value: (update: Run["history"]["updates"][number]) => number | null,
): Line {
  const { updates } = history;
  return condensed({ x: updates.map((u) => u.update), y: updates.map(value) }, MOST_POINTS);
}

function overEvaluations({ history }: Run, step: number): Line {
  const { evaluations } = history;
  return { x: evaluations.map((e) => e.update), y: evaluations.map((e) => e.accuracy[step] ?? null) };
}

/** The lines of the other runs, dashed: what differs is the run, not the step. */
function others(line: (run: Run) => Line): Drawn {
  const ink = theme.value === "light" ? "#4b463f" : "#cfc8bc";
  return {
    series: overlays.value.map((run, i) => ({
      label: runName(run, runs.value),
      colour: ink,
      dash: DASHES[i % DASHES.length]!,
    })),
    lines: overlays.value.map(line),
  };
}

/** A line for each step of the run, and the last step of the other runs. */
function bySteps(run: Run, line: (run: Run, step: number) => Line): Drawn {
  const steps = Math.max(stepsOf(run.history), 1);
  const rest = others((other) => line(other, Math.max(stepsOf(other.history), 1) - 1));
  return {
    series: [
      ...Array.from({ length: steps }, (_, i) => ({
        label: `step ${i + 1}`,
        colour: stepHue(theme.value, i + 1, steps),
      })),
      ...rest.series,
    ],
    lines: [...Array.from({ length: steps }, (_, i) => line(run, i)), ...rest.lines],
  };
}

/** Anew whenever something was drawn, another run was chosen or laid over, or the colours changed. */
function useDrawn(run: Run, make: () => Drawn) {
  const tick = drawn.value;
  const others = overlays.value;
  const looks = theme.value;
  return useMemo(() => {
    const { series, lines } = make();
    return { series, data: aligned(lines) };
  }, [run.id, run.status, tick, others, looks]);
}

export function LossChart({ run }: { run: Run }) {
  const made = useDrawn(run, () =>
    bySteps(run, (r, step) => overUpdates(r, (update) => update.stepLosses[step] ?? null)),
  );
  return (
    <LineChart
      id="loss"
      title="Loss of every loop"
      note="Cross-entropy of the batch after each step, in nats. Dashed: the last step of other runs."
      xLabel="update"
      format={(value) => value.toFixed(2)}
      {...made}
    />
  );
}

export function AccuracyChart({ run }: { run: Run }) {
  const made = useDrawn(run, () => bySteps(run, overEvaluations));
  return (
    <LineChart
      id="accuracy"
      title="Accuracy of every loop"
      note="Share of held-out targets that are right after each step."
      xLabel="update"
      range={[0, 1]}
      format={percent}
      {...made}
    />
  );
}

export function EntropyChart({ run }: { run: Run }) {
  const made = useDrawn(run, () => {
    const rest = others((other) => overUpdates(other, (update) => update.entropy));
    return {
      series: [
        { label: "entropy of p", colour: theme.value === "light" ? "#1b7468" : "#5ecfc0" },
        ...rest.series,
      ],
      lines: [overUpdates(run, (update) => update.entropy), ...rest.lines],
    };
  });
  const steps = stepsOf(run.history);
  return (
    <LineChart
      id="entropy"
      title="How spread the exits are"
      note={`Entropy of the exit distribution p, in nats: ${steps > 1 ? `${Math.log(steps).toFixed(2)} is even over ${steps} steps, ` : ""}0 is one step for sure.`}
      xLabel="update"
      format={(value) => value.toFixed(2)}
      {...made}
    />
  );
}
