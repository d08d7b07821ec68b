import { useEffect, useRef } from "preact/hooks";
import { bytes, percent } from "../../model/format.ts";
import { verdictOf } from "../../model/offers/fit.ts";
import { FORMATS, type Held, recommended } from "../../model/offers/held.ts";
import { needsOf, weightBytes } from "../../model/offers/needs.ts";
import { open, openError, opening, sameModel } from "../../state/model.ts";
import { device } from "../../state/offers/device.ts";
import { keptOf, room } from "../../state/offers/kept.ts";
import { type Offer, sourceOf } from "../../state/offers/offers.ts";
import { openInstead } from "../../state/replacing.ts";
import { OpeningError } from "./OpeningError.tsx";
import { OpeningProgress } from "./OpeningProgress.tsx";

/** The button that loads a model, then how that goes; what of it is here already, and why it could not be loaded. */
export function OfferAction({ offer, held }: { offer: Offer; held: Held }) {
  const next = opening.value;
  const error = openError.value;
  const loading = next?.source.from === offer.from ? next : undefined;
  const failed = error?.source.from === offer.from ? error : undefined;
  const area = useFocusKept(loading ? "loading" : failed ? "failed" : "idle");
  return (
    <div class="offer-action" ref={area}>
      {loading ? (
        <OpeningProgress opening={loading} />
      ) : (
        <>
          {failed && <OpeningError error={failed} />}
          <p class="actions">
            {!(failed && sameHeld(failed.source.held, held)) && <LoadButton offer={offer} held={held} />}
            <Kept offer={offer} held={held} />
          </p>
        </>
      )}
    </div>
  );
}

/**
 * What is pressed may make way for something else, and the focus would be lost with it: it goes to the first button of
 * what stands in its place.
 */
function useFocusKept(shown: string) {
  const area = useRef<HTMLDivElement>(null);
  const before = useRef(shown);
  const inside = useRef(false);
  useEffect(() => {
    const element = area.current;
    const note = () => (inside.current = element?.contains(document.activeElement) ?? false);
    document.addEventListener("focusin", note);
    return () => document.removeEventListener("focusin", note);
  }, []);
  useEffect(() => {
    if (before.current === shown) return;
    before.current = shown;
    if (inside.current && document.activeElement === document.body)
      area.current?.querySelector<HTMLElement>("button")?.focus();
  }, [shown]);
  return area;
}

function LoadButton({ offer, held }: { offer: Offer; held: Held }) {
  const source = sourceOf(offer);
  const kept = keptOf(offer.from, held.format);
  // What is opened by itself is held as recommended.
  const usual = recommended(offer.shape, offer.thinks);
  const inUse = sameModel(open.value?.source, source) && sameHeld(open.value?.source.held ?? usual, held);
  const total = offer.shape ? needsOf(offer.shape, held).total : 0;
  const tooLarge = device.value !== undefined && verdictOf(total, device.value) === "too-large";
  const verb = kept !== undefined && !kept.complete ? "Go on loading" : "Load";
  if (inUse)
    return (
      <a class="secondary" href="#watch">
        In use: go to it
      </a>
    );
  return (
    <button
      type="button"
      class={tooLarge ? "secondary" : "primary"}
      aria-label={`${tooLarge ? "Load anyway:" : verb} ${offer.title}`}
      onClick={() => void openInstead(source)}
    >
      {tooLarge ? "Load anyway" : verb}
    </button>
  );
}

/** What of the model is in this browser, and whether the rest of it has room there. */
function Kept({ offer, held }: { offer: Offer; held: Held }) {
  const { kind, from, shape } = offer;
  if (kind === "shipped") return <span class="note">opens at once</span>;
  if (typeof from !== "string") return <span class="note">from this machine, nothing to download</span>;
  const { name } = FORMATS.find(({ format }) => format === held.format)!;
  const kept = keptOf(from, held.format);
  if (kept?.complete)
    return (
      <span class="note here" data-testid="kept">
        In this browser, {name}: {bytes(kept.bytes)}
      </span>
    );
  const free = room.value && room.value.quota - room.value.usage;
  const needed = shape === undefined ? 0 : weightBytes(shape, held.format) * (1 - (kept?.progress ?? 0));
  return (
    <span class="note" data-testid="kept">
      {kept
        ? `${percent(kept.progress)} of it is here; it goes on from there. `
        : "Not in this browser yet. "}
      {free !== undefined &&
        needed > free &&
        `This browser has room for ${bytes(Math.max(free, 0))} more: it will load, but not be kept.`}
    </span>
  );
}

function sameHeld(one: Held | undefined, other: Held): boolean {
  return (
    one !== undefined && one.format === other.format && one.kv === other.kv && one.context === other.context
  );
}
