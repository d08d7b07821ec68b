import { signal } from "@preact/signals";
import { LoopLM, type CachedModel, type WeightFormat } from "looplm";
import { explain, type Explanation } from "../../model/errors.ts";
import { cacheName } from "../../model/offers/address.ts";

/** The models that this browser keeps, last used first. */
export const kept = signal<readonly CachedModel[]>([]);
/** The room the browser gives this page, and what of it is used; undefined where it does not say. */
export const room = signal<{ quota: number; usage: number } | undefined>(undefined);
/** Why the last removal failed. */
export const keptError = signal<Explanation | undefined>(undefined);

const BEING_LOADED = {
  title: "It is being loaded",
  advice: "A model stays while it is being loaded, here or in another tab. Delete it once that is over.",
};

/** Looks anew at what is kept. */
export async function lookAtKept(): Promise<void> {
  try {
    kept.value = await LoopLM.cached();
  } catch (thrown) {
    // A list that cannot be read is no reason to show nothing else: models load without it.
    reportError(thrown);
  }
  const { quota, usage } = (await storage()?.estimate()) ?? {};
  room.value = quota === undefined || usage === undefined ? undefined : { quota, usage };
}

/** What is kept of a model in a format, in whole or in part. */
export function keptOf(from: string | URL | File[], format: WeightFormat): CachedModel | undefined {
  if (Array.isArray(from)) return undefined;
  const name = cacheName(String(from), document.baseURI);
  return kept.value.find((model) => model.source === name && model.format === format);
}

/** Removes what is kept of one model, or of all. */
export async function remove(model?: CachedModel): Promise<void> {
  keptError.value = undefined;
  try {
    await (model === undefined ? LoopLM.evict() : LoopLM.evict(model.source, { format: model.format }));
  } catch (thrown) {
    const said = explain(thrown);
    // The package is busy with other things, too: here it is a load, in whatever tab.
    keptError.value = said.code === "busy" ? { ...said, ...BEING_LOADED } : said;
  }
  await lookAtKept();
}

/** The browser's storage; missing on insecure origins, whatever the types say. */
function storage(): StorageManager | undefined {
  return (navigator as Partial<Navigator>).storage;
}
