import { cancelOpening, isShipped, open, openError, opening, replaceModel } from "../state/model.ts";
import { ErrorNote } from "./ErrorNote.tsx";
import { LoadProgressBar } from "./LoadProgressBar.tsx";

/**
 * How the opening of another model goes, or why it failed, beside what was pressed for it: for the shipped models their
 * own buttons, for all others the model panel.
 */
export function OpeningNote({ shipped }: { shipped: boolean }) {
  const current = open.value;
  if (!current) return null;
  const next = opening.value;
  const error = openError.value;
  return (
    <>
      {next && isShipped(next.source) === shipped && (
        <div aria-live="polite">
          <p class="note">Opening {next.source.name}</p>
          <LoadProgressBar progress={next.progress} onCancel={cancelOpening} />
        </div>
      )}
      {error && isShipped(error.source) === shipped && (
        <ErrorNote error={error}>
          <p>{current.source.name} stays open.</p>
          {error.code === "out-of-memory" && (
            <p class="actions">
              <button type="button" class="secondary" onClick={() => void replaceModel(error.source)}>
                Free {current.source.name} and try again
              </button>
            </p>
          )}
        </ErrorNote>
      )}
    </>
  );
}
