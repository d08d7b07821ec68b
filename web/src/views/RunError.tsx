import type { Explanation } from "../model/errors.ts";
import { remediesFor } from "../model/offers/remedies.ts";
import { open, replaceModel } from "../state/model.ts";
import { device } from "../state/offers/device.ts";
import { offerOf, setHeld, sourceOf } from "../state/offers/offers.ts";
import { ErrorNote } from "./ErrorNote.tsx";

/** After these the open model answers no more; it has to be opened anew. */
const FATAL: readonly string[] = ["device-lost", "disposed", "internal"];

/** Why a question was not answered, and the way on. */
export function RunError({ error }: { error: Explanation }) {
  const source = open.value?.source;
  const offer = offerOf(source);
  const remedies =
    offer && source?.held ? remediesFor(error, offer.shape, source.held, device.value?.maxBinding) : [];
  return (
    <ErrorNote error={error}>
      {offer && remedies.length > 0 && (
        <p class="actions">
          {remedies.map(({ words, held }) => (
            <button
              key={words}
              type="button"
              class="secondary"
              onClick={() => {
                setHeld(offer, held);
                void replaceModel(sourceOf(offer));
              }}
            >
              {words}
            </button>
          ))}
        </p>
      )}
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
