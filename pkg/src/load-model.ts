import { whileUnchanged } from "./cache/changes.js";
import { DirectSource } from "./cache/direct-source.js";
import { FilesOrigin } from "./cache/files-origin.js";
import { loadThroughCache, Uncacheable } from "./cache/load.js";
import type { Origin } from "./cache/origin.js";
import { withSpeed } from "./cache/progress.js";
import { browserStorage, ModelStore, type Storage } from "./cache/store.js";
import { keepTunings, readTunings } from "./cache/tunings.js";
import { UrlOrigin } from "./cache/url-origin.js";
import type { LoadConfig, LoadRequest } from "./engine.js";
import { sendingHeaders } from "./request-headers.js";
import { folderAddress } from "./source-url.js";
import { readThrough } from "./source.js";
import type { LoadProgress } from "./types.js";
import type { WasmModule } from "./wasm-module.js";
import type { FileSource, Model } from "./wasm/looplm.js";

/** The browser's storage, as far as the cache needs it; tests give their own. */
export interface Keeping {
  storage: () => Promise<Storage | undefined>;
  estimate: () => Promise<StorageEstimate>;
}

const BROWSER: Keeping = { storage: browserStorage, estimate: () => navigator.storage.estimate() };

/** A loaded model, and what the caller should know of how it was loaded. */
export interface Loaded {
  model: Model;
  warnings: string[];
}

/** Loads a model, through the cache if that is asked for and possible. */
export async function loadModel(
  request: LoadRequest,
  wasm: WasmModule,
  onProgress: (progress: LoadProgress) => void,
  signal: AbortSignal,
  keeping: Keeping = BROWSER,
): Promise<Loaded> {
  const { source, headers } = request;
  const load = (): Promise<Loaded> => loadFrom(request, wasm, onProgress, signal, keeping);
  if (headers === undefined || source.kind !== "url") return load();
  return sendingHeaders(folderAddress(source.url), headers, load);
}

async function loadFrom(
  request: LoadRequest,
  { Model, Conversion }: WasmModule,
  onProgress: (progress: LoadProgress) => void,
  signal: AbortSignal,
  keeping: Keeping,
): Promise<Loaded> {
  const report = withSpeed(onProgress);
  // Without a cache nothing is kept for this page, workgroups neither.
  const storage = request.cache ? await keeping.storage() : undefined;
  const load = async (source: FileSource, config: LoadConfig): Promise<Model> => {
    const tunings = storage && (await readTunings(storage));
    const told = tunings === undefined ? config : { ...config, tunings };
    const model = await readThrough(source, (source) => Model.load(source, told, report, signal));
    const known = model.tunings();
    if (JSON.stringify(known) !== JSON.stringify(tunings)) await keepTunings(storage, known);
    return model;
  };
  const warnings: string[] = [];
  const origin = await openOrigin(request, signal);
  if (request.cache) {
    try {
      if (storage === undefined) throw new Uncacheable("this browser keeps nothing for this page");
      const model = await loadThroughCache({
        store: new ModelStore(storage),
        origin,
        converter: Conversion,
        format: request.config.format ?? "stored",
        config: request.config,
        // Converted by now; what was asked for is still what another format is suggested for.
        load: (source) => load(source, request.config),
        report,
        signal,
        estimate: keeping.estimate,
      });
      return { model, warnings };
    } catch (thrown) {
      if (!(thrown instanceof Uncacheable)) throw thrown;
      warnings.push(`The model was loaded without the cache: ${thrown.message}.`);
    }
  }
  const model = await whileUnchanged(origin, () => load(new DirectSource(origin, signal), request.config));
  return { model, warnings };
}

async function openOrigin({ source }: LoadRequest, signal: AbortSignal): Promise<Origin> {
  switch (source.kind) {
    case "url":
      return new UrlOrigin(source.url, signal);
    case "files":
      return FilesOrigin.of(source.files, signal);
  }
}
