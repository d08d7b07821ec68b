import { signal } from "@preact/signals";
import { PUBLISHED } from "../../model/offers/catalogue.ts";
import { withinBinding } from "../../model/offers/fit.ts";
import { type Held, readHeld, recommended } from "../../model/offers/held.ts";
import type { Shape } from "../../model/offers/shape.ts";
import { SHIPPED, type Source } from "../model.ts";
import { device } from "./device.ts";

/** A model that can be loaded, and what is known of it before. */
export interface Offer {
  /** What its settings are kept under. */
  id: string;
  /** What the page calls it once it is open. */
  name: string;
  title: string;
  says: string;
  from: string | File[];
  /** Where it comes from: with the page, from Hugging Face, or from wherever a person says. */
  kind: "shipped" | "published" | "own";
  /** Where there is more to read of it. */
  page?: string;
  licence?: string | undefined;
  /** Bytes of its weights where they are now. */
  download?: number | undefined;
  shape?: Shape | undefined;
  /** Whether it was made to think aloud. */
  thinks?: boolean;
  /** A quantisation.json. */
  quantisation?: unknown;
}

export const SHIPPED_OFFERS: readonly Offer[] = SHIPPED.map(({ bytes, ...model }) => ({
  ...model,
  id: model.name,
  kind: "shipped" as const,
  download: bytes,
}));

export const PUBLISHED_OFFERS: readonly Offer[] = PUBLISHED.map((model) => ({
  ...model,
  id: model.from,
  name: model.title,
  kind: "published" as const,
}));

/** Models of which a person named the address or chose the folder, and that are to be looked at before they are loaded. */
export const own = signal<readonly Offer[]>([]);

export const offers = (): readonly Offer[] => [...SHIPPED_OFFERS, ...PUBLISHED_OFFERS, ...own.value];

/** The offer of a source, whatever it was opened through. */
export function offerOf(source: Source | undefined): Offer | undefined {
  return source && offers().find(({ from }) => from === source.from);
}

const KEY = "looplm-held";
const chosen = signal<Readonly<Record<string, unknown>>>(read());

/** How an offer is to be held: as a person chose, or as recommended, within what the GPU can bind. */
export function heldOf(offer: Offer): Held {
  const held = readHeld(chosen.value[offer.id], recommended(offer.shape, offer.thinks));
  return offer.shape ? withinBinding(offer.shape, held, device.value) : held;
}

export function setHeld(offer: Offer, held: Held): void {
  chosen.value = { ...chosen.value, [offer.id]: held };
  try {
    localStorage.setItem(KEY, JSON.stringify(chosen.value));
  } catch {
    // Storage may be forbidden: the choice then lasts as long as the page.
  }
}

/** What to open for an offer as it is set now. */
export function sourceOf(offer: Offer): Source {
  const { name, from, kind } = offer;
  return { name, from, held: heldOf(offer), keeps: kind !== "shipped" && typeof from === "string" };
}

function read(): Record<string, unknown> {
  try {
    return Object(JSON.parse(localStorage.getItem(KEY) ?? "{}")) as Record<string, unknown>;
  } catch {
    return {};
  }
}
