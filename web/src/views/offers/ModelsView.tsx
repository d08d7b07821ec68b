import { useEffect } from "preact/hooks";
import { offers, own, PUBLISHED_OFFERS, SHIPPED_OFFERS } from "../../state/offers/offers.ts";
import { pointedAt } from "../../state/offers/own.ts";
import { DevicePanel } from "./DevicePanel.tsx";
import { KeptPanel } from "./KeptPanel.tsx";
import { OfferCard } from "./OfferCard.tsx";
import { OwnModel } from "./OwnModel.tsx";

/** Every model there is to load: what each takes, whether this machine has it, and what was kept of it. */
export function ModelsView() {
  const asked = pointedAt.value;
  useEffect(() => {
    if (asked === undefined) return;
    pointedAt.value = undefined;
    const card = document.getElementById(cardId(asked));
    card?.scrollIntoView({ block: "center" });
    card?.focus({ preventScroll: true });
  }, [asked]);
  return (
    <div class="models">
      <section class="models-group" aria-labelledby="published-title">
        <h2 id="published-title">Ouro, from Hugging Face</h2>
        <ul class="offers">
          {PUBLISHED_OFFERS.map((offer) => (
            <OfferCard key={offer.id} offer={offer} id={cardId(offer.id)} />
          ))}
        </ul>
      </section>
      <section class="models-group" aria-labelledby="shipped-title">
        <h2 id="shipped-title">Small ones that come with the page</h2>
        <ul class="offers">
          {SHIPPED_OFFERS.map((offer) => (
            <OfferCard key={offer.id} offer={offer} id={cardId(offer.id)} />
          ))}
        </ul>
      </section>
      <section class="models-group" aria-labelledby="own-title">
        <h2 id="own-title">Your own</h2>
        <OwnModel />
        {own.value.length > 0 && (
          <ul class="offers">
            {own.value.map((offer) => (
              <OfferCard key={offer.id} offer={offer} id={cardId(offer.id)} />
            ))}
          </ul>
        )}
      </section>
      <div class="models-side">
        <DevicePanel />
        <KeptPanel />
      </div>
    </div>
  );
}

/** An id that is one whatever stands in the address or the folder's name. */
function cardId(offer: string): string {
  return `offer-${offers().findIndex(({ id }) => id === offer)}`;
}
