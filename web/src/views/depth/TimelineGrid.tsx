import { cellColours, stepHue } from "../../layout/colours.ts";
import type { Lane } from "../../model/depth/timeline.ts";
import type { Answer } from "../../state/depth/meter.ts";
import { theme } from "../../state/theme.ts";

/** Passes up to which there is room for the number of a step in its bar. */
const NUMBERED = 90;

/** Passes across, lanes down, a bar for each step. A picture: the sentence and the table say the same. */
export function TimelineGrid({ answer: { timeline, steps, depth } }: { answer: Answer }) {
  const { lanes, passes } = timeline;
  const numbered = passes <= NUMBERED;
  const every = passes <= 30 ? 1 : passes <= 120 ? 5 : 10;
  const guesses = depth.mode === "verified";
  const early = lanes.some(({ bars }) => bars.some((bar) => bar.early));
  return (
    <>
      <div class="timeline-scroll" tabIndex={0} role="group" aria-label="Timeline; the arrow keys scroll it">
        <div
          class={numbered ? "timeline-grid" : "timeline-grid dense"}
          aria-hidden="true"
          style={{ "--passes": passes }}
        >
          <span class="timeline-corner">pass</span>
          {Array.from({ length: passes }, (_, i) =>
            i === 0 || (i + 1) % every === 0 ? (
              <span key={i} class="timeline-pass" style={{ gridColumn: i + 2 }}>
                {i + 1}
              </span>
            ) : null,
          )}
          {lanes.map((lane, i) => (
            <LaneRow key={i} lane={lane} row={i + 2} steps={steps} numbered={numbered} />
          ))}
        </div>
      </div>
      <ul class="legend" aria-label="Legend of the timeline">
        {Array.from({ length: steps }, (_, i) => (
          <li key={i}>
            <span
              class="legend-bar"
              style={{ background: stepHue(theme.value, i + 1, steps) }}
              aria-hidden="true"
            />
            step {i + 1}
          </li>
        ))}
        {early && (
          <li>
            <span class="legend-bar early" aria-hidden="true" />
            {guesses ? "guessed the next here" : "left here"}
          </li>
        )}
        {lanes.some((lane) => lane.takenBack !== undefined) && (
          <li>
            <span class="legend-bar taken-back" aria-hidden="true" />
            taken back
          </li>
        )}
      </ul>
    </>
  );
}

interface RowProps {
  lane: Lane;
  /** Line of the grid. */
  row: number;
  steps: number;
  numbered: boolean;
}

function LaneRow({ lane: { label, bars, takenBack }, row, steps, numbered }: RowProps) {
  const back = takenBack !== undefined;
  return (
    <>
      <span class={back ? "timeline-name back" : "timeline-name"} style={{ gridRow: row }}>
        {label ?? "a guess"}
      </span>
      <span class="timeline-lane" style={{ gridRow: row }} />
      {bars.map(({ pass, step, early }) => {
        const { background, text } = cellColours(theme.value, step, steps, 1);
        return (
          <i
            key={pass}
            class={["timeline-bar", early && "early", back && "taken-back"].filter(Boolean).join(" ")}
            style={{ gridArea: `${row} / ${pass + 2}`, "--fill": background, "--on-fill": text }}
          >
            {numbered && step}
          </i>
        );
      })}
    </>
  );
}
