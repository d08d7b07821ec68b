import { expectedTime } from "../../model/train/words.ts";
import { choosePreset, loadPresets, preset, presets, presetsError } from "../../state/train/setup.ts";
import { ErrorNote } from "../ErrorNote.tsx";

/** What can be learned, one choice each. */
export function PresetPanel() {
  const error = presetsError.value;
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
          {presets.value.map(({ name, title, description, expectedMinutes }) => (
            <label key={name} class="preset">
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
          ))}
        </div>
      )}
    </section>
  );
}
