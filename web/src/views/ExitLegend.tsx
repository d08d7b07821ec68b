import { cellColours, stepHue } from "../layout/colours.ts";
import { theme } from "../state/theme.ts";
import { columns, shownSteps } from "../state/view.ts";
import { Mark } from "./ExitCell.tsx";

/** What the marks of the exit view mean. */
export function ExitLegend() {
  if (columns.value.length === 0) return null;
  const steps = shownSteps.value;
  const knowsTruth = columns.value.some((column) => column.truth !== undefined);
  return (
    <ul class="legend" aria-label="Legend">
      <li>
        <span class="legend-ramp" aria-hidden="true">
          {[0.1, 0.4, 0.7, 1].map((p) => (
            <i
              key={p}
              style={{ background: cellColours(theme.value, Math.ceil(steps / 2), steps, p).background }}
            />
          ))}
        </span>
        unsure to sure
      </li>
      <li>
        <span class="legend-ramp" aria-hidden="true">
          {Array.from({ length: steps }, (_, i) => (
            <i key={i} style={{ background: stepHue(theme.value, i + 1, steps) }} />
          ))}
        </span>
        step 1 to {steps}
      </li>
      {knowsTruth && (
        <li>
          <Mark right />
          right
          <Mark right={false} />
          wrong
        </li>
      )}
      <li>
        <span class="legend-line" aria-hidden="true" />
        left here
      </li>
      <li>
        <span class="legend-ghost" aria-hidden="true" />
        after it had left
      </li>
      <li>
        <span class="legend-gate" aria-hidden="true">
          <i />
          <i />
          <i />
        </span>
        gate, cumulated, towards q
      </li>
    </ul>
  );
}
