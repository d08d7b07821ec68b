import { cellColours } from "../layout/colours.ts";
import { best, type Column, isRight } from "../model/exit.ts";
import { cellWords } from "../model/cell-words.ts";
import { percent, tokenLabel } from "../model/format.ts";
import { theme } from "../state/theme.ts";
import { TokenText } from "./Cups.tsx";

interface Props {
  column: Column;
  /** Index of the column in the view. */
  index: number;
  /** From 1. */
  step: number;
  /** Steps of the view. */
  steps: number;
  /** The step this column leaves at. */
  exit: number;
  tabbable: boolean;
  inspected: boolean;
  /** Pixels of columns left out before this one. */
  offset: number;
}

/** A tick or a cross. */
export function Mark({ right }: { right: boolean }) {
  return (
    <svg class="tick" viewBox="0 0 12 12" aria-hidden="true">
      <path d={right ? "M1.5 6.5L4.8 9.8L10.5 2.5" : "M3 3L9 9M9 3L3 9"} />
    </svg>
  );
}

/** One token at one step: its best token, filled by how sure it is; empty where the step was not taken. */
export function ExitCell({ column, index, step, steps, exit, tabbable, inspected, offset }: Props) {
  const trace = column.steps[step - 1];
  const top = best(trace);
  const given = column.origin === "given";
  const saved = !given && trace === undefined;
  const right = isRight(column, step);
  const colours = cellColours(theme.value, step, steps, top?.probability ?? 0);
  const edge = cellColours(theme.value, step, steps, 0.75).background;
  const classes = [
    "cell",
    given && "given",
    saved && "saved",
    trace && step > exit && "ghost",
    step === exit && "exit",
    inspected && "inspected",
  ];
  return (
    <div
      role="gridcell"
      class={classes.filter(Boolean).join(" ")}
      tabIndex={tabbable ? 0 : -1}
      aria-colindex={index + 2}
      data-column={index}
      data-step={step}
      style={{
        "--fill": colours.background,
        "--on-fill": colours.text,
        "--edge": edge,
        ...(offset > 0 ? { marginLeft: `${offset}px` } : {}),
      }}
    >
      <span class="visually-hidden">{cellWords(column, index, step, exit)}</span>
      <span class="cell-fill" aria-hidden="true">
        <span class="cell-token">{top ? <TokenText text={tokenLabel(top.text)} /> : trace ? "·" : ""}</span>
        {top && (
          <span class="cell-sure">
            {right !== undefined && <Mark right={right} />}
            {percent(top.probability)}
          </span>
        )}
      </span>
    </div>
  );
}
