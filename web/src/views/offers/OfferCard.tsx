import { bytes, count } from "../../model/format.ts";
import { recommended } from "../../model/offers/held.ts";
import { parameters } from "../../model/offers/shape.ts";
import { heldOf, type Offer } from "../../state/offers/offers.ts";
import { shapeWords } from "../../state/offers/own.ts";
import { HeldFields } from "./HeldFields.tsx";
import { OfferAction } from "./OfferAction.tsx";
import { OfferMemory } from "./OfferMemory.tsx";

/** A model: what it is, what it takes, and the button that loads it. */
export function OfferCard({ offer, id }: { offer: Offer; id: string }) {
  const { title, says, page, licence, download, shape, kind } = offer;
  const held = heldOf(offer);
  return (
    <li class="card offer" id={id} tabIndex={-1} aria-labelledby={`${id}-title`} data-testid="offer">
      <div class="offer-head">
        <h3 id={`${id}-title`}>{title}</h3>
        <p class="note">{says}</p>
      </div>
      <dl class="offer-facts">
        {shape && (
          <div>
            <dt>parameters</dt>
            <dd title={shapeWords(shape)}>{count(parameters(shape))}</dd>
          </div>
        )}
        {download !== undefined && (
          <div>
            <dt>{kind === "shipped" ? "weights" : "download"}</dt>
            <dd>
              {kind === "own" && "about "}
              {bytes(download)}
            </dd>
          </div>
        )}
        {licence !== undefined && (
          <div>
            <dt>licence</dt>
            <dd>{licence}</dd>
          </div>
        )}
      </dl>
      {shape && (
        <>
          <OfferMemory offer={offer} shape={shape} held={held} />
          <HeldFields
            offer={offer}
            shape={shape}
            held={held}
            usual={recommended(shape, offer.thinks)}
            id={id}
          />
        </>
      )}
      <OfferAction offer={offer} held={held} />
      {page !== undefined && (
        <p class="small-print">
          <a href={page}>{page.replace("https://huggingface.co/", "")}</a> on Hugging Face
        </p>
      )}
    </li>
  );
}
