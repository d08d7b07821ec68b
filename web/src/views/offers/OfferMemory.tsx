import { bytes } from "../../model/format.ts";
import { verdictOf, verdictWords, whatFits } from "../../model/offers/fit.ts";
import { type Held, heldWords } from "../../model/offers/held.ts";
import { needsOf } from "../../model/offers/needs.ts";
import type { Shape } from "../../model/offers/shape.ts";
import { device } from "../../state/offers/device.ts";
import { type Offer, setHeld } from "../../state/offers/offers.ts";

const PARTS = [
  { part: "weights", name: "weights" },
  { part: "kv", name: "keys and values" },
  { part: "workspace", name: "workspace" },
] as const;

/** What a model takes of the GPU, of what, and whether the machine has that much as far as one can know. */
export function OfferMemory({ offer, shape, held }: { offer: Offer; shape: Shape; held: Held }) {
  const needs = needsOf(shape, held);
  const machine = device.value;
  const verdict = machine ? verdictOf(needs.total, machine) : "unknown";
  const fits = machine ? whatFits(shape, held, machine) : undefined;
  const scale = Math.max(needs.total, machine?.memory ?? 0);
  const small = needs.total < 64 * 2 ** 20;
  return (
    <div class={`offer-memory ${verdict}`} data-testid="memory-needed" data-verdict={verdict}>
      <p>
        <strong>{bytes(needs.total)}</strong> of memory{!small && ", with the context full"}
      </p>
      {!small && (
        <>
          <span class="memory-bar" aria-hidden="true">
            {PARTS.map(({ part }) => (
              <i key={part} class={part} style={{ width: `${(needs[part] / scale) * 100}%` }} />
            ))}
          </span>
          <ul class="memory-parts">
            {PARTS.map(({ part, name }) => (
              <li key={part} class={part}>
                {bytes(needs[part])} <span>{name}</span>
              </li>
            ))}
          </ul>
          <p class={verdict === "too-large" ? "note problem" : "note"}>{verdictWords(verdict, machine)}</p>
          {verdict === "too-large" &&
            (fits ? (
              <p class="actions">
                <button type="button" class="secondary" onClick={() => setHeld(offer, fits)}>
                  Take {heldWords(fits)}: fits
                </button>
              </p>
            ) : (
              <p class="note">Nor would it in any other format or with less context.</p>
            ))}
        </>
      )}
    </div>
  );
}
