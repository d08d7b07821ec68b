import { cancelOpening, FIRST, openError, opening, openModel } from "../state/model.ts";
import { ErrorNote } from "./ErrorNote.tsx";
import { LoadProgressBar } from "./LoadProgressBar.tsx";

/** What stands in the prompt's place until the first model is there. */
export function LoadingPanel() {
  const error = openError.value;
  return (
    <section class="card ask loading" aria-labelledby="loading-title">
      <h2 id="loading-title">
        {opening.value ? `Opening ${opening.value.source.name}` : "No model is open"}
      </h2>
      {opening.value && <LoadProgressBar progress={opening.value.progress} onCancel={cancelOpening} />}
      {error && (
        <ErrorNote error={error}>
          <p class="actions">
            <button type="button" class="secondary" onClick={() => void openModel(error.source)}>
              Try again
            </button>
            {error.source !== FIRST && (
              <button type="button" class="secondary" onClick={() => void openModel(FIRST)}>
                Open the shipped model
              </button>
            )}
          </p>
        </ErrorNote>
      )}
      {!opening.value && !error && (
        <button type="button" class="secondary" onClick={() => void openModel(FIRST)}>
          Open the shipped model
        </button>
      )}
    </section>
  );
}
