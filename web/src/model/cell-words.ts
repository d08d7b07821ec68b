import { best, type Column, isRight } from "./exit.ts";
import { spokenPercent, tokenLabel } from "./format.ts";

/** Everything a cell shows, in words. */
export function cellWords(column: Column, index: number, step: number, exit: number): string {
  if (column.origin === "given")
    return `Prompt token ${column.position + 1} ${column.label}; given, not guessed`;
  const top = best(column.steps[step - 1]);
  const what = column.origin === "label" ? "Move" : column.origin === "prompt" ? "Prompt token" : "Token";
  const place = column.origin === "label" ? index + 1 : column.position + 1;
  const right = isRight(column, step);
  return [
    `${what} ${place} ${column.label}, step ${step}`,
    top
      ? `${tokenLabel(top.text)}, ${spokenPercent(top.probability)}`
      : step > column.steps.length
        ? "not computed"
        : "not traced",
    ...(right === undefined ? [] : [right ? "right" : "wrong"]),
    ...(step > column.steps.length ? [] : [`gate ${spokenPercent(column.cumulated[step - 1] ?? 0)} by now`]),
    step === exit ? "left here" : step > exit ? `after it had left at step ${exit}` : "not left yet",
  ].join("; ");
}
