import { useRef } from "preact/hooks";
import { leftAt, type Column } from "../model/exit.ts";
import { q } from "../state/view.ts";

interface Props {
  columns: readonly Column[];
  /** Index of the first column drawn. */
  start: number;
  /** Steps of the view. */
  steps: number;
  width: number;
  /** Height of a cumulated probability of 1, in CSS pixels. */
  full: number;
}

/**
 * The gate's cumulated probability rising towards q, step by step, under every token. A picture only: the cells' labels
 * say the same in words, and the slider sets q; dragging the line is a convenience of the pointer.
 */
export function GateRow({ columns, start, steps, width, full }: Props) {
  const row = useRef<HTMLDivElement>(null);
  function follow(event: PointerEvent) {
    const box = row.current?.getBoundingClientRect();
    if (!box || event.buttons !== 1) return;
    const value = (box.bottom - event.clientY) / full;
    q.value = Math.round(Math.min(Math.max(value, 0.05), 1) * 100) / 100;
  }
  return (
    <div
      class="gate-row"
      aria-hidden="true"
      ref={row}
      style={{ "--q": q.value }}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        follow(event);
      }}
      onPointerMove={follow}
    >
      <div class="head gate-head">
        gate
        <span class="gate-q">q {q.value.toFixed(2)}</span>
      </div>
      {columns.map((column, i) => {
        const exit = leftAt(column, q.value);
        return (
          <div
            key={start + i}
            class="gate-bars"
            style={i === 0 && start > 0 ? { marginLeft: `${start * width}px` } : undefined}
          >
            {Array.from({ length: steps }, (_, s) => {
              const p = column.cumulated[s];
              return (
                <i
                  key={s}
                  class={s + 1 > exit ? "after" : s + 1 === exit ? "at" : undefined}
                  style={{ height: p === undefined ? 0 : `${Math.max(p * full, 1)}px` }}
                />
              );
            })}
          </div>
        );
      })}
      <div class="gate-line" />
    </div>
  );
}
