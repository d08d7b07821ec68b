import type { Preset } from "looplm";
import { expectedTime } from "../../model/train/words.ts";
import { choosePreset, loadPresets, preset, presets, presetsError } from "../../state/train/setup.ts";
import { ErrorNote } from "../ErrorNote.tsx";

/** A run of this many minutes is for another machine than a laptop. */
const LONG_MINUTES = 600;
const isLarge = (one: Preset) => one.expectedMinutes >= LONG_MINUTES;

/** What can be learned, one choice each. */
export function PresetPanel() {
  const error = presetsError.value;
  const small = presets.value.filter((one) => !isLarge(one));
  const large = presets.value.filter(isLarge);
  return (
    <section class="card presets" aria-labelledby="presets-title">
      <h2 id="presets-title">What to learn</h2>
      {error ? (
        <ErrorNote error={error}>
          <p class="actions">
            <button type="button" class="secondary" onClick={() => void loadPresets()}>
              Try again
            </button>
          </p>
        </ErrorNote>
      ) : presets.value.length === 0 ? (
        <p class="note">Fetching the choices…</p>
      ) : (
        <div class="preset-list" role="radiogroup" aria-labelledby="presets-title">
          {small.map((one) => (
            <Choice key={one.name} preset={one} />
          ))}
          {large.length > 0 && (
            <details open={preset.value && isLarge(preset.value)}>
              <summary>For a large GPU</summary>
              <div class="preset-list">
                {large.map((one) => (
                  <Choice key={one.name} preset={one} />
                ))}
              </div>
            </details>
          )}
        </div>
      )}
    </section>
  );
}

function Choice({ preset: { name, title, description, expectedMinutes } }: { preset: Preset }) {
  return (
    <label class="preset">
      <input
        type="radio"
        name="preset"
        value={name}
        checked={preset.value?.name === name}
        onChange={() => choosePreset(name)}
      />
      <span class="preset-title">{title}</span>
      <span class="preset-time">{expectedTime(expectedMinutes)}</span>
      <span class="preset-says">{description}</span>
    </label>
  );
}
