import { vi } from "vitest";
import { loadThroughCache } from "../cache/load.js";
import { sha256 } from "../cache/sha256.js";
import { ModelStore } from "../cache/store.js";
import { UrlOrigin } from "../cache/url-origin.js";
import { BytesStream } from "../source-bytes.js";
import type { LoadProgress, WeightFormat } from "../types.js";
import type { FileSource } from "../wasm/looplm.js";
import { FakeConverter, fakeWeights, read } from "./fake-converter.js";
import { FakeDirectory, type FakeFile } from "./fake-directory.js";
import { FakeLocks } from "./fake-locks.js";
import { FakeServer } from "./fake-server.js";

/** Where the bed's server is. */
export const BASE = "https://models.test/m/";
const WEIGHTS = ["a.safetensors", "b.safetensors"];
const SMALL = ["config.json", "tokenizer.json", "chat_template.jinja"];
/** What a load asks for of a model that is kept: the path and the number of bytes. */
export const ASKED_AGAIN = [...WEIGHTS, ...SMALL].map((path) => `${path} 1`).sort();

/** What a load made of a folder: the hash of every file. */
export type Hashes = Record<string, string>;

/** What a load of the bed is to do otherwise. */
export interface BedOptions {
  format?: WeightFormat;
  load?: (source: FileSource) => Promise<Hashes>;
  report?: (progress: LoadProgress) => void;
  signal?: AbortSignal;
  /** Bytes that the browser says it gives. */
  room?: number;
  base?: string;
}

/** A server with a model of nine pieces in two files, and a browser to load it in. Its server answers the global `fetch`. */
export class CacheBed {
  readonly server: FakeServer;
  readonly root = new FakeDirectory();
  readonly locks = new FakeLocks();
  readonly converter = new FakeConverter();
  readonly store = new ModelStore({ root: this.root, locks: this.locks });

  constructor(base = BASE) {
    this.server = new FakeServer(base);
    this.publish(1);
    vi.stubGlobal("fetch", this.server.fetch);
  }

  /** Puts a version of the model on the server. */
  publish(version: number): void {
    this.server.version = version;
    this.server.versions.clear();
    this.server.files.clear();
    for (const [path, bytes] of folder(version)) this.server.files.set(path, bytes);
  }

  /** Puts another file in the place of one, or takes it away, as version 2 of it. */
  change(path: string, bytes?: Uint8Array<ArrayBuffer>): void {
    this.server.versions.set(path, 2);
    if (bytes === undefined) this.server.files.delete(path);
    else this.server.files.set(path, bytes);
  }

  load(options: BedOptions = {}): Promise<Hashes> {
    const signal = options.signal ?? new AbortController().signal;
    return loadThroughCache({
      store: this.store,
      origin: new UrlOrigin(options.base ?? BASE, signal, () => Promise.resolve()),
      converter: this.converter,
      format: options.format ?? "q4",
      config: {},
      load: options.load ?? hashes,
      report: options.report ?? (() => undefined),
      signal,
      estimate: () => Promise.resolve({ quota: options.room ?? 1e9, usage: 0 }),
    });
  }

  /** The files of kept pieces, in order. */
  pieces(): FakeFile[] {
    const number = (path: string): number => Number(/(\d+)-[0-9a-f]+$/.exec(path)?.[1]);
    return [...this.root.files()]
      .filter(([path]) => path.includes("/pieces/"))
      .sort(([one], [other]) => number(one) - number(other))
      .map(([, file]) => file);
  }
}

/** The model's folder. */
function folder(version: number): Map<string, Uint8Array<ArrayBuffer>> {
  const text = (content: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(content);
  return new Map([
    ["config.json", text(JSON.stringify({ weights: WEIGHTS, version }))],
    ["tokenizer.json", text(`tokenizer ${version}`)],
    ["a.safetensors", fakeWeights(5300, 10 * version)],
    ["b.safetensors", fakeWeights(2100, 10 * version + 1)],
  ]);
}

/** Reads all of a folder. */
export async function hashes(source: FileSource): Promise<Hashes> {
  const found: Hashes = {};
  for (const path of [...SMALL, "model.safetensors", ...WEIGHTS]) {
    const bytes = await read(source, path);
    if (bytes !== null) found[path] = await sha256(bytes);
  }
  return found;
}

/** What a load should give of a version of the model, made without network and cache; `changed`: files that are others. */
export async function expected(
  version = 1,
  format: WeightFormat = "q4",
  changed: Record<string, Uint8Array<ArrayBuffer>> = {},
): Promise<Hashes> {
  const files = new Map([...folder(version), ...Object.entries(changed)]);
  const found: Hashes = {};
  for (const [path, bytes] of files) found[path] = await sha256(bytes);
  if (format === "stored") return found;
  const conversion = await new FakeConverter().plan(sourceOf(files), { format });
  const plan = conversion.describe();
  const whole = new Uint8Array(plan.files[0]?.bytes ?? 0);
  whole.set(conversion.head(0));
  plan.pieces.forEach(({ source, targets }, i) => {
    const { file, offset, bytes } = source;
    const given = files.get(plan.sources[file] ?? "")?.subarray(offset, offset + bytes);
    const made = conversion.convert(i, given ?? new Uint8Array());
    let start = 0;
    for (const target of targets) {
      whole.set(made.subarray(start, start + target.bytes), target.offset);
      start += target.bytes;
    }
  });
  for (const path of WEIGHTS) delete found[path];
  return {
    ...found,
    "config.json": await sha256(plan.texts[0]?.text ?? ""),
    "model.safetensors": await sha256(whole),
  };
}

function sourceOf(files: ReadonlyMap<string, Uint8Array>): FileSource {
  return {
    open: (path) => {
      const bytes = files.get(path);
      return Promise.resolve(bytes === undefined ? null : new BytesStream(bytes));
    },
  };
}
