import type { Cell } from "../layout/grid.ts";
import { tokenShade } from "../layout/colours.ts";
import { theme } from "../state/theme.ts";
import { chooseCell, exits, hovered, shownSteps } from "../state/view.ts";

/** The cell at which the token under a pointer left; its element carries the column in `data-token`. */
function cellOf(target: EventTarget | null): Cell | undefined {
  const element = target instanceof Element ? target.closest<HTMLElement>("[data-token]") : null;
  if (!element) return undefined;
  const column = Number(element.dataset["token"]);
  return { column, step: exits.value[column] || shownSteps.value };
}

/** Makes the tokens inside an element open in the exit view when they are pointed at. */
export const opensTokens = {
  onPointerOver: (event: PointerEvent) => void (hovered.value = cellOf(event.target)),
  onPointerLeave: () => void (hovered.value = undefined),
  onClick: (event: MouseEvent) => chooseCell(cellOf(event.target)),
};

/** The style of a token that left at `step`. */
export function shadeStyle(step: number, steps: number) {
  const { background, text } = tokenShade(theme.value, step, steps);
  return { background, color: text };
}

/** What the shades of running text mean. */
export function ShadeLegend() {
  const steps = shownSteps.value;
  return (
    <ul class="legend" aria-label="Shades">
      {Array.from({ length: steps }, (_, i) => (
        <li key={i}>
          <span class="said-token" style={shadeStyle(i + 1, steps)}>
            left at step {i + 1}
          </span>
        </li>
      ))}
    </ul>
  );
}
