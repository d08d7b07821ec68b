import { useSignal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { type Aligned, sampled } from "../../layout/series.ts";
import { theme } from "../../state/theme.ts";

export interface Series {
  label: string;
  colour: string;
  /** Lengths of strokes and gaps; absent is a line without gaps. */
  dash?: number[];
}

interface Props {
  /** Identifies the chart on the page. */
  id: string;
  title: string;
  /** What is drawn, in a sentence. */
  note: string;
  /** Name of the x values in the table. */
  xLabel: string;
  series: readonly Series[];
  data: Aligned;
  /** The y axis; absent follows the data. */
  range?: [number, number];
  format: (value: number) => string;
}

const HEIGHT = 210;
const TABLE_ROWS = 12;

/** Lines over the updates of a run, with their values in the legend and the same numbers as a table. */
export function LineChart({ id, title, note, xLabel, series, data, range, format }: Props) {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const at = useSignal<number | undefined>(undefined);
  const open = useSignal(false);
  const newest = useRef(data);
  newest.current = data;
  const looks = theme.value;
  const shape = JSON.stringify([series, range]);

  useLayoutEffect(() => {
    const element = host.current;
    if (!element) return;
    const css = getComputedStyle(document.documentElement);
    const colour = (name: string) => css.getPropertyValue(name).trim();
    const axis = {
      stroke: colour("--mute"),
      grid: { stroke: colour("--line"), width: 1 },
      ticks: { stroke: colour("--line"), width: 1, size: 5 },
      font: `11.5px ${css.getPropertyValue("--sans")}`,
    };
    const made = new uPlot(
      {
        width: element.clientWidth,
        height: HEIGHT,
        legend: { show: false },
        cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
        scales: {
          x: { time: false, range: (_, __, most) => [0, Math.max(most, 1)] },
          y: range ? { range } : {},
        },
        axes: [
          { ...axis, size: 30, values: (_, ticks) => ticks.map(short) },
          { ...axis, size: 46, values: (_, ticks) => ticks.map(format) },
        ],
        series: [
          {},
          ...series.map(({ colour: stroke, dash }) => ({
            stroke,
            width: dash ? 1.6 : 2,
            ...(dash ? { dash } : {}),
            spanGaps: true,
            points: { show: (u: uPlot) => (u.data[0]?.length ?? 0) < 3 },
          })),
        ],
        hooks: { setCursor: [(u) => (at.value = u.cursor.idx ?? undefined)] },
      },
      newest.current,
      element,
    );
    plot.current = made;
    const observer = new ResizeObserver(() => {
      const width = element.clientWidth;
      if (width > 0 && width !== made.width) made.setSize({ width, height: HEIGHT });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      plot.current = undefined;
      made.destroy();
    };
  }, [shape, looks]);

  useLayoutEffect(() => plot.current?.setData(data), [data]);

  const [x, ...lines] = data;
  const shown = at.value !== undefined && at.value < x.length ? at.value : undefined;
  return (
    <section class="card chart" aria-labelledby={`${id}-title`}>
      <h2 id={`${id}-title`}>{title}</h2>
      <p class="note">{note}</p>
      <div ref={host} class="plot" role="img" aria-label={`${title}. The numbers are in the table below.`} />
      <ul class="legend chart-legend" aria-label="Lines">
        {series.map(({ label, colour, dash }, i) => (
          <li key={label}>
            <svg viewBox="0 0 22 4" aria-hidden="true">
              <path d="M1 2H21" stroke={colour} stroke-width="2.4" stroke-dasharray={dash?.join(" ")} />
            </svg>
            {label} <span class="mono">{valueOf(lines[i], shown, format)}</span>
          </li>
        ))}
        {shown !== undefined && (
          <li>
            at {xLabel} <span class="mono">{Math.round(x[shown]!).toLocaleString("en")}</span>
          </li>
        )}
      </ul>
      <details class="chart-table" onToggle={(event) => (open.value = event.currentTarget.open)}>
        <summary>As a table</summary>
        {open.value && (
          <div class="table-scroll">
            <table>
              <caption class="visually-hidden">{title}</caption>
              <thead>
                <tr>
                  <th scope="col">{xLabel}</th>
                  {series.map(({ label }) => (
                    <th key={label} scope="col">
                      {label}
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {sampled(x.length, TABLE_ROWS).map((row) => (
                  <tr key={row}>
                    <th scope="row">{Math.round(x[row]!).toLocaleString("en")}</th>
                    {series.map(({ label }, i) => (
                      <td key={label}>{valueOf(lines[i], row, format)}</td>
                    ))}
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </details>
    </section>
  );
}

/** A line's value at an index, or its last one. */
function valueOf(
  line: readonly (number | null)[] | undefined,
  at: number | undefined,
  format: Props["format"],
) {
  const value = at === undefined ? line?.findLast((v) => v !== null) : line?.[at];
  return value === null || value === undefined ? "–" : format(value);
}

/** 12000 -> "12k": room on the axis is short. */
function short(value: number): string {
  return value >= 10_000 ? `${value / 1000}k` : value.toLocaleString("en");
}
