import { MODES } from "../../model/depth/settings.ts";
import { mode } from "../../state/depth/settings.ts";
import { AgainButton } from "./AgainButton.tsx";
import { LastFigures } from "./LastFigures.tsx";
import { RuleFields } from "./RuleFields.tsx";

/** How deep tokens go, and what that took of the last answer. */
export function DepthPanel() {
  return (
    <section class="card depth" aria-labelledby="depth-title" data-testid="depth">
      <div class="depth-settings">
        <div class="depth-head">
          <h2 id="depth-title">How deep?</h2>
          <p aria-live="polite">
            {mode.value === "verified" && (
              <span class="identical" data-testid="identical">
                identical to full depth
              </span>
            )}
          </p>
        </div>
        <fieldset class="depth-modes">
          <legend class="visually-hidden">How deep words go</legend>
          {MODES.map(({ mode: value, name, says }) => (
            <label key={value} class="preset">
              <input
                type="radio"
                name="depth-mode"
                value={value}
                aria-describedby={`depth-${value}`}
                checked={mode.value === value}
                onChange={() => (mode.value = value)}
              />
              <span class="preset-title">{name}</span>
              <span class="preset-says" id={`depth-${value}`}>
                {says}
              </span>
            </label>
          ))}
        </fieldset>
        {mode.value !== "full" && <RuleFields />}
        <AgainButton />
      </div>
      <LastFigures />
    </section>
  );
}
