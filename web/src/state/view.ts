import { batch, computed, signal } from "@preact/signals";
import type { Cell } from "../layout/grid.ts";
import { type Column, leftAt, summarize } from "../model/exit.ts";

/** The exit threshold: a token leaves at the first step whose cumulated gate probability reaches it. */
export const q = signal(0.8);
/** Recurrent steps to run, 1 to 8. */
export const steps = signal(4);
/** What the exit view shows. */
export const columns = signal<readonly Column[]>([]);

/** The step each column leaves at. Moving q changes this and nothing else: the trace already holds every step. */
export const exits = computed(() => columns.value.map((c) => leftAt(c, q.value)));
export const summary = computed(() => summarize(columns.value, q.value));

/** The cell the pointer is over. */
export const hovered = signal<Cell | undefined>(undefined);
const chosen = signal<Cell | undefined>(undefined);

/** Steps the columns could take, which is not `steps` while a new run is under way. */
export const shownSteps = computed(() => columns.value[0]?.of ?? steps.value);

/** The column to look at until a person chooses; the last one if undefined. */
export const preferred = signal<number | undefined>(undefined);

/** The cell that has the focus, or would get it: the preferred column's exit until a person chooses. */
export const focused = computed<Cell>(() => {
  const last = columns.value.length - 1;
  const cell = chosen.value;
  if (cell && cell.column <= last && cell.step <= shownSteps.value) return cell;
  const place = Math.max(Math.min(preferred.value ?? last, last), 0);
  return { column: place, step: exits.value[place] || 1 };
});

/** The cell whose details are shown. */
export const inspected = computed<Cell>(() => {
  const cell = hovered.value;
  return cell && cell.column < columns.value.length && cell.step <= shownSteps.value ? cell : focused.value;
});

export function chooseCell(cell: Cell | undefined): void {
  chosen.value = cell;
}

/** Puts columns before those there are. The cells a person has pointed at stay the same. */
export function prependColumns(before: readonly Column[]): void {
  const moved = (cell: Cell | undefined) => cell && { ...cell, column: cell.column + before.length };
  batch(() => {
    columns.value = [...before, ...columns.value];
    hovered.value = moved(hovered.value);
    chosen.value = moved(chosen.value);
  });
}

/** Whether a person has pointed at a cell of the present columns. */
export const pointing = computed(() => hovered.value !== undefined || chosen.value !== undefined);
