/** Where things stand in the exit view. Lengths are CSS pixels. */

export interface Cell {
  /** Index of the column, from 0. */
  column: number;
  /** Recurrent step, from 1. */
  step: number;
}

/** Sizes of the exit view's parts. */
export interface GridSizes {
  /** Width of the row headers. */
  head: number;
  /** Width of a column. */
  width: number;
  /** Height of a step. */
  row: number;
  /** Height of a cumulated probability of 1. */
  gate: number;
  /** Of the type in the cells. */
  scale: number;
}

/**
 * Columns fill the width there is, within limits; below the least width the view scrolls. Four steps get room to
 * breathe, eight still fit on a screen.
 *
 * @param viewport width of the scrolling part
 * @param text whether tokens are words of a text, which want more room than an arrangement's three digits
 */
export function gridSizes(viewport: number, columns: number, steps: number, text: boolean): GridSizes {
  const small = viewport < 480;
  const large = viewport > 1240;
  const head = small ? 46 : large ? 72 : 58;
  const fits = Math.floor((viewport - head) / Math.max(columns, 1));
  // Words are squeezed only where that spares the scrolling.
  const [least, most] = text ? [fits >= 56 ? 56 : 76, 128] : [54, 210];
  const width = columns === 0 ? most : clamp(fits, least, most);
  const row = small
    ? clamp(Math.floor(190 / steps), 42, 48)
    : clamp(Math.floor((large ? 420 : 316) / steps), 46, large ? 104 : 79);
  return {
    head,
    width,
    row,
    gate: small ? 60 : large ? 110 : 76,
    scale: large && width >= 90 ? 1.3 : width < 60 ? 0.92 : 1,
  };
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most);
}

/** The columns to draw for a scroll position: those in sight and a few beside them. */
export function visibleRange(
  scrollLeft: number,
  viewport: number,
  width: number,
  count: number,
  beside = 6,
): { start: number; end: number } {
  const start = Math.max(0, Math.floor(scrollLeft / width) - beside);
  return {
    start: Math.min(start, count),
    end: Math.min(count, Math.ceil((scrollLeft + viewport) / width) + beside),
  };
}

/** The column that Tab goes to: the one that has or would get the focus, or the nearest in the document. */
export function tabStop(column: number, { start, end }: { start: number; end: number }): number {
  return clamp(column, start, Math.max(end - 1, start));
}

/**
 * Where to scroll so that the columns in sight stay there, once `added` columns have come before them and all are
 * `width` wide instead of `before`.
 */
export function scrollPast(scrollLeft: number, added: number, before: number, width: number): number {
  return (scrollLeft / before + added) * width;
}

/**
 * The line under the step at which each column left, as an SVG path; `exits` are steps counted from 1. It breaks at a 0,
 * a column that took none.
 */
export function staircase(exits: readonly number[], width: number, rowHeight: number): string {
  return exits
    .map((exit, i) => {
      if (exit === 0) return "";
      const down = exit * rowHeight;
      return `${(exits[i - 1] ?? 0) === 0 ? `M${i * width},${down}` : `V${down}`}H${(i + 1) * width}`;
    })
    .join("");
}

/** Where a key takes the focus, or undefined if the key is not one of the grid's. */
export function moveCell(
  cell: Cell,
  key: string,
  control: boolean,
  columns: number,
  steps: number,
): Cell | undefined {
  const to = (column: number, step: number): Cell => ({
    column: clamp(column, 0, columns - 1),
    step: clamp(step, 1, steps),
  });
  switch (key) {
    case "ArrowLeft":
      return to(cell.column - 1, cell.step);
    case "ArrowRight":
      return to(cell.column + 1, cell.step);
    case "ArrowUp":
      return to(cell.column, cell.step - 1);
    case "ArrowDown":
      return to(cell.column, cell.step + 1);
    case "Home":
      return to(0, control ? 1 : cell.step);
    case "End":
      return to(columns - 1, control ? steps : cell.step);
    case "PageUp":
      return to(cell.column, 1);
    case "PageDown":
      return to(cell.column, steps);
    default:
      return undefined;
  }
}
