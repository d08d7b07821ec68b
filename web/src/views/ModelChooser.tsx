import { open, opening, openModel, SHIPPED } from "../state/model.ts";
import { OpeningNote } from "./OpeningNote.tsx";

/** The models that come with the page, to change between with one press. Not there where there is but one. */
export function ModelChooser() {
  if (SHIPPED.length < 2) return null;
  const next = opening.value?.source;
  return (
    <section class="chooser" aria-label="Models that come with the page">
      <div class="chooser-row">
        {SHIPPED.map((model) => (
          <button
            key={model.name}
            type="button"
            class="chooser-model"
            aria-pressed={(next ?? open.value?.source) === model}
            onClick={() => {
              if ((next ?? open.value?.source) !== model) void openModel(model);
            }}
          >
            <span class="chooser-title">{model.title}</span>
            <span class="chooser-says">{model.says}</span>
          </button>
        ))}
      </div>
      <OpeningNote shipped />
    </section>
  );
}
