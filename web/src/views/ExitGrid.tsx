import { useSignal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import {
  type Cell,
  gridSizes,
  moveCell,
  scrollPast,
  staircase,
  tabStop,
  visibleRange,
} from "../layout/grid.ts";
import { playing } from "../state/shuffle-run.ts";
import {
  chooseCell,
  columns,
  exits,
  focused,
  hovered,
  inspected,
  preferred,
  shownSteps,
} from "../state/view.ts";
import { ExitCell } from "./ExitCell.tsx";
import { GateRow } from "./GateRow.tsx";

/** Where a cell is, written on its element so that one listener serves all. */
function cellOf(target: EventTarget | null): Cell | undefined {
  const element = target instanceof Element ? target.closest<HTMLElement>("[data-step]") : null;
  if (!element) return undefined;
  return { column: Number(element.dataset["column"]), step: Number(element.dataset["step"]) };
}

/** The scrolling grid: one tab stop, arrow keys inside, only the columns in sight in the document. */
export function ExitGrid() {
  const scroller = useRef<HTMLDivElement>(null);
  const grid = useRef<HTMLDivElement>(null);
  const viewport = useSignal(0);
  const scrollLeft = useSignal(0);
  const wantsFocus = useRef(false);

  const all = columns.value;
  const steps = shownSteps.value;
  const text = all.some((c) => c.origin !== "label");
  const { head, width, row: rowHeight, gate, scale } = gridSizes(viewport.value, all.length, steps, text);
  const range = visibleRange(scrollLeft.value, viewport.value - head, width, all.length);
  const shown = all.slice(range.start, range.end);

  useLayoutEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const measure = () => (viewport.value = element.clientWidth);
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  // What comes before the columns in sight leaves them, and the focus, where they are.
  const seen = useRef({ first: all[0], width });
  useLayoutEffect(() => {
    const { first, width: before } = seen.current;
    seen.current = { first: all[0], width };
    const added = first ? all.indexOf(first) : 0;
    if (added < 1 || !scroller.current) return;
    wantsFocus.current = grid.current?.contains(document.activeElement) ?? false;
    scroller.current.scrollLeft = scrollPast(scroller.current.scrollLeft, added, before, width);
  }, [all, width]);

  // While tokens stream in, stay at the end if the end was in sight.
  const count = useRef(0);
  useLayoutEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const grown = all.length > count.current;
    const atEnd = element.scrollLeft + element.clientWidth >= element.scrollWidth - 3 * width;
    if (grown && text && atEnd) element.scrollLeft = element.scrollWidth;
    count.current = all.length;
  }, [all.length]);

  // The cell to focus may only now have come into the document.
  const { column, step } = focused.value;
  useLayoutEffect(() => {
    if (!wantsFocus.current) return;
    const cell = grid.current?.querySelector<HTMLElement>(`[data-column="${column}"][data-step="${step}"]`);
    if (!cell) return;
    wantsFocus.current = false;
    cell.focus({ preventScroll: true });
  });

  function reveal(index: number) {
    const element = scroller.current;
    if (!element) return;
    const left = index * width;
    const room = element.clientWidth - head;
    if (left < element.scrollLeft) element.scrollLeft = left;
    else if (left + width > element.scrollLeft + room) element.scrollLeft = left + width - room;
  }

  // The column to look at may lie beyond the edge of a narrow screen.
  const wanted = preferred.value;
  useLayoutEffect(() => {
    if (wanted !== undefined) reveal(wanted);
  }, [wanted, width]);

  function onKeyDown(event: KeyboardEvent) {
    const next = moveCell(focused.value, event.key, event.ctrlKey || event.metaKey, all.length, steps);
    if (!next) return;
    event.preventDefault();
    wantsFocus.current = true;
    hovered.value = undefined;
    chooseCell(next);
    reveal(next.column);
  }

  const tabbed = tabStop(column, range);
  const at = inspected.value;
  const looked = playing.value ?? at.column;
  return (
    <div
      class="exit-scroll"
      ref={scroller}
      onScroll={(event) => (scrollLeft.value = event.currentTarget.scrollLeft)}
      style={{
        "--head": `${head}px`,
        "--cell": `${width}px`,
        "--row": `${rowHeight}px`,
        "--full": `${gate}px`,
        "--scale": scale,
      }}
    >
      <div class="exit-inner" style={{ width: `${head + all.length * width}px` }}>
        <div
          ref={grid}
          role="grid"
          aria-labelledby="exit-title"
          aria-describedby="exit-how"
          aria-rowcount={steps + 1}
          aria-colcount={all.length + 1}
          onKeyDown={onKeyDown}
          onPointerOver={(event) => (hovered.value = cellOf(event.target))}
          onPointerLeave={() => (hovered.value = undefined)}
          onFocusIn={(event) => {
            const cell = cellOf(event.target);
            if (cell) chooseCell(cell);
          }}
          onClick={(event) => {
            const cell = cellOf(event.target);
            if (cell) chooseCell(cell);
          }}
        >
          <div role="row" class="exit-row heads" aria-rowindex={1}>
            <div role="columnheader" class="head" aria-colindex={1}>
              <span class="visually-hidden">Step</span>
            </div>
            {shown.map((c, i) => {
              const index = range.start + i;
              return (
                <div
                  key={index}
                  role="columnheader"
                  aria-colindex={index + 2}
                  class={`column-head from-${c.origin}${index === looked ? " looked-at" : ""}`}
                  style={i === 0 ? { marginLeft: `${range.start * width}px` } : undefined}
                  title={c.label}
                >
                  <span class="ordinal">{c.origin === "label" ? index + 1 : c.position + 1}</span>
                  <span class="token">{c.label}</span>
                </div>
              );
            })}
          </div>
          {Array.from({ length: steps }, (_, s) => (
            <div key={s} role="row" class="exit-row" aria-rowindex={s + 2}>
              <div role="rowheader" class="head" aria-colindex={1}>
                step {s + 1}
              </div>
              {shown.map((c, i) => {
                const index = range.start + i;
                return (
                  <ExitCell
                    key={index}
                    column={c}
                    index={index}
                    step={s + 1}
                    steps={steps}
                    exit={exits.value[index] ?? steps}
                    tabbable={index === tabbed && s + 1 === step}
                    inspected={index === at.column && s + 1 === at.step}
                    offset={i === 0 ? range.start * width : 0}
                  />
                );
              })}
            </div>
          ))}
        </div>
        <svg
          class="staircase"
          aria-hidden="true"
          width={all.length * width}
          height={steps * rowHeight + 4}
          viewBox={`0 -1 ${all.length * width} ${steps * rowHeight + 4}`}
        >
          <path d={staircase(exits.value, width, rowHeight)} />
        </svg>
        <GateRow start={range.start} columns={shown} steps={steps} full={gate} width={width} />
      </div>
    </div>
  );
}
