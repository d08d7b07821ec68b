import type { ComponentChildren } from "preact";
import type { Explanation } from "../../model/errors.ts";
import { remediesFor } from "../../model/offers/remedies.ts";
import { open, replaceModel, type Source } from "../../state/model.ts";
import { heldOf, offerOf, setHeld, sourceOf } from "../../state/offers/offers.ts";
import { openInstead } from "../../state/replacing.ts";
import { ErrorNote } from "../ErrorNote.tsx";

/** Why a model could not be opened, and every way on from there. */
export function OpeningError({
  error,
  children,
}: {
  error: Explanation & { source: Source };
  children?: ComponentChildren;
}) {
  const { source } = error;
  const stays = open.value?.source.name;
  const offer = offerOf(source);
  const resumes = error.code === "network" && source.keeps === true;
  return (
    <ErrorNote error={error}>
      {resumes && <p>What has come so far is kept: trying again goes on where it stopped.</p>}
      {stays !== undefined && <p>{stays} stays open.</p>}
      <p class="actions">
        {offer &&
          remediesFor(error, offer.shape, source.held ?? heldOf(offer)).map(({ words, held }) => (
            <button
              key={words}
              type="button"
              class="secondary"
              onClick={() => {
                setHeld(offer, held);
                void openInstead({ ...sourceOf(offer), held });
              }}
            >
              {words}
            </button>
          ))}
        {stays !== undefined && error.code === "out-of-memory" && (
          <button type="button" class="secondary" onClick={() => void replaceModel(source)}>
            Free {stays} and try again
          </button>
        )}
        <button type="button" class="secondary" onClick={() => void openInstead(source)}>
          Try again
        </button>
        {children}
      </p>
    </ErrorNote>
  );
}
