import type { Explanation } from "../model/errors.ts";
import { open, replaceModel } from "../state/model.ts";
import { ErrorNote } from "./ErrorNote.tsx";

/** After these the open model answers no more; it has to be opened anew. */
const FATAL: readonly string[] = ["device-lost", "disposed", "internal"];

/** Why a question was not answered, and the way on. */
export function RunError({ error }: { error: Explanation }) {
  const source = open.value?.source;
  return (
    <ErrorNote error={error}>
      {source && FATAL.includes(error.code) && (
        <p class="actions">
          <button type="button" class="secondary" onClick={() => void replaceModel(source)}>
            Open {source.name} again
          </button>
        </p>
      )}
    </ErrorNote>
  );
}
