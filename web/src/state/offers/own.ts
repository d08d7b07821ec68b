import { signal } from "@preact/signals";
import type { CachedModel } from "looplm";
import { explain, type Explanation } from "../../model/errors.ts";
import { cacheName, configAddress, nameOfAddress } from "../../model/offers/address.ts";
import { keptName } from "../../model/offers/kept-words.ts";
import { isLarge } from "../../model/offers/held.ts";
import { needsOf } from "../../model/offers/needs.ts";
import { type Shape, shapeOf } from "../../model/offers/shape.ts";
import { droppedFiles, nameOfFiles } from "../dropped-files.ts";
import { openInstead } from "../replacing.ts";
import { show, view } from "../route.ts";
import { heldOf, type Offer, offers, own, setHeld, sourceOf } from "./offers.ts";

/** The offer that was asked for last, and is to be looked at before it is loaded. */
export const pointedAt = signal<string | undefined>(undefined);
/** Whether an address is being looked at. */
export const looking = signal(false);
/** Why what was dropped last could not be read. */
export const dropError = signal<Explanation | undefined>(undefined);

/** Longest config.json to read: there is no longer one, whatever a server sends. */
const CONFIG_BYTES = 1 << 20;
/** Longest wait for it, in milliseconds; the engine has its own patience. */
const CONFIG_WAIT = 10_000;

/** Opens the model at an address; a large one is shown first, with what it will take. */
export async function openAddress(address: string): Promise<void> {
  const from = cacheName(address, document.baseURI);
  const known = offers().find((offer) => offer.from === from);
  if (known !== undefined) return point(known);
  const name = nameOfAddress(address);
  looking.value = true;
  const config = await fetchConfig(address).catch(() => undefined);
  looking.value = false;
  await openOwn({ name, from, shape: shapeOf(config) });
}

/** Opens a model that this browser keeps, in the format that is here, and moves to the card that shows how that goes. */
export async function openKept({ source, format }: CachedModel): Promise<void> {
  const offer =
    offers().find(({ from }) => from === source) ?? addOwn({ name: keptName(source), from: source });
  setHeld(offer, { ...heldOf(offer), format });
  point(offer);
  await openInstead(sourceOf(offer));
}

/** Opens the model of a folder that was dropped on the page. */
export async function openDropped(data: DataTransfer): Promise<void> {
  dropError.value = undefined;
  try {
    const files = await droppedFiles(data);
    if (files.length === 0)
      throw Object.assign(new Error("nothing in it can be read"), {
        code: "checkpoint-invalid",
        details: { kind: "not-a-model-folder" },
      });
    await openFolder(files);
  } catch (thrown) {
    dropError.value = explain(thrown instanceof DOMException ? unreadable(thrown) : thrown);
    show("models");
  }
}

const unreadable = (cause: DOMException) =>
  Object.assign(new Error(`${cause.name}: ${cause.message}`), { code: "folder-unreadable" });

/** Opens the model of a folder's files; a large one is shown first, with what it will take. */
export async function openFolder(files: File[]): Promise<void> {
  const config = await readConfig(files).catch(() => undefined);
  await openOwn({ name: nameOfFiles(files), from: files, shape: shapeOf(config) });
}

async function openOwn({ name, from, shape }: Pick<Offer, "name" | "from" | "shape">): Promise<void> {
  dropError.value = undefined;
  // While training is shown, nothing would tell how opening goes.
  if (view.value === "train") show("models");
  // Where nothing can be read, the engine says what is wrong.
  if (shape === undefined || !isLarge(shape)) return openInstead({ name, from });
  const { weights } = needsOf(shape, { format: "stored", kv: "f16", context: 1 });
  point(addOwn({ name, from, download: weights, shape }));
}

/** Puts a model of a person's own among the offers. */
function addOwn(model: Pick<Offer, "name" | "from" | "download" | "shape">): Offer {
  const { name, from } = model;
  const says = typeof from === "string" ? from : "A folder of this machine.";
  const id = typeof from === "string" ? from : `folder ${name}`;
  const offer: Offer = { ...model, id, title: name, says, kind: "own" };
  own.value = [offer, ...own.value.filter((other) => other.id !== id)];
  return offer;
}

/** Shows an offer, and moves to it. */
function point(offer: Offer): void {
  pointedAt.value = offer.id;
  show("models");
}

async function fetchConfig(address: string): Promise<unknown> {
  const url = configAddress(address, document.baseURI);
  if (url === undefined) return undefined;
  const response = await fetch(url, { signal: AbortSignal.timeout(CONFIG_WAIT) });
  if (!response.ok || Number(response.headers.get("content-length")) > CONFIG_BYTES) return undefined;
  return response.json();
}

async function readConfig(files: readonly File[]): Promise<unknown> {
  const depth = ({ webkitRelativePath }: File) => webkitRelativePath.split("/").length;
  // The nearest to the top is the model's, as the package has it.
  const [file] = files.filter(({ name }) => name === "config.json").sort((a, b) => depth(a) - depth(b));
  if (file === undefined || file.size > CONFIG_BYTES) return undefined;
  return JSON.parse(await file.text()) as unknown;
}

/** A shape's words for a card: "24 layers of width 2,048, looped 4 times". */
export function shapeWords({ layers, hidden, steps }: Shape): string {
  return `${layers} ${layers === 1 ? "layer" : "layers"} of width ${hidden.toLocaleString("en")}, looped ${steps} times`;
}
