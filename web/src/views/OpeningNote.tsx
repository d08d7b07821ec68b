import { open, openError, opening } from "../state/model.ts";
import { OpeningError } from "./offers/OpeningError.tsx";
import { OpeningProgress } from "./offers/OpeningProgress.tsx";

/** How the opening of another model goes while one is open, or why it failed. */
export function OpeningNote() {
  if (!open.value) return null;
  const next = opening.value;
  const error = openError.value;
  return (
    <>
      {next && (
        <div>
          <p class="note">Opening {next.source.name}</p>
          <OpeningProgress opening={next} />
        </div>
      )}
      {error && <OpeningError error={error} />}
    </>
  );
}
