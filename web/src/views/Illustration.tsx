import { cellColours } from "../layout/colours.ts";
import { staircase } from "../layout/grid.ts";
import { theme } from "../state/theme.ts";

const WIDTH = 64;
const ROW = 40;
const EXITS = [1, 1, 2, 2, 3, 3, 4, 4];

/** The exit view's shape with nothing in its cells: a drawing, which says so, and no model's output. */
export function Illustration() {
  return (
    <figure class="illustration">
      <svg
        viewBox={`0 0 ${8 * WIDTH + 60} ${4 * ROW + 12}`}
        role="img"
        aria-label="Drawing of the exit view: four rows of cells and a line that descends from the first row on the left to the last on the right"
      >
        {[1, 2, 3, 4].map((step) => (
          <g key={step}>
            <text x="0" y={(step - 0.5) * ROW + 5}>
              step {step}
            </text>
            {EXITS.map((exit, i) => (
              <rect
                key={i}
                x={56 + i * WIDTH + 2}
                y={(step - 1) * ROW + 2}
                width={WIDTH - 4}
                height={ROW - 4}
                rx="7"
                class={step > exit ? "ghost" : undefined}
                fill={
                  step > exit
                    ? "none"
                    : cellColours(theme.value, step, 4, step === exit ? 0.85 : 0.25).background
                }
              />
            ))}
          </g>
        ))}
        <path d={staircase(EXITS, WIDTH, ROW)} transform="translate(56, 0)" />
      </svg>
      <figcaption>A drawing to explain the view. No model has run to make it.</figcaption>
    </figure>
  );
}
