import { isShipped, open, opening, sameModel, SHIPPED } from "../state/model.ts";
import { SHIPPED_OFFERS, sourceOf } from "../state/offers/offers.ts";
import { openInstead } from "../state/replacing.ts";
import { ModelBadge } from "./ModelBadge.tsx";
import { OpeningNote } from "./OpeningNote.tsx";

/** The models that come with the page, to change between with one press, the one in use, and the way to all others. */
export function ModelChooser() {
  const next = opening.value?.source ?? open.value?.source;
  const other = open.value !== undefined && !isShipped(open.value.source) ? open.value.source : undefined;
  return (
    <section class="chooser" aria-label="Model in use">
      <div class="chooser-row">
        {SHIPPED.length > 1 &&
          SHIPPED_OFFERS.map((offer) => {
            const source = sourceOf(offer);
            return (
              <button
                key={offer.id}
                type="button"
                class="chooser-model"
                aria-pressed={sameModel(next, source)}
                onClick={() => {
                  if (!sameModel(next, source)) void openInstead(source);
                }}
              >
                <span class="chooser-title">{offer.title}</span>
                <span class="chooser-says">{offer.says}</span>
              </button>
            );
          })}
        {other && (
          <div class="chooser-model chosen">
            <span class="chooser-title">{other.name}</span>
            <span class="chooser-says">in use</span>
          </div>
        )}
        <a class="chooser-model more" href="#models">
          <span class="chooser-title">More models</span>
          <span class="chooser-says">Ouro from Hugging Face, or your own</span>
        </a>
      </div>
      <ModelBadge />
      {other &&
        open.value?.info.warnings.map((warning, i) => (
          <p key={i} class="note">
            {warning}
          </p>
        ))}
      <OpeningNote />
    </section>
  );
}
