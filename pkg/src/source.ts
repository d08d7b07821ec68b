import { huggingFaceFolder } from "./cache/hugging-face.js";
import type { SourceDescription } from "./engine.js";
import { createError, LoopLMError, toLoopLMError } from "./errors.js";
import { nameFiles } from "./source-files.js";
import { folderAddress } from "./source-url.js";
import type { ModelSource } from "./types.js";
import type { FileSource, FileStream } from "./wasm/looplm.js";

/** What the caller gave, checked, addresses made absolute (a Worker has another base). */
export function describeSource(source: ModelSource): SourceDescription {
  if (typeof source === "string" || source instanceof URL) {
    return { kind: "url", url: addressOf(source) };
  }
  const files = isIterable(source) ? [...source] : [];
  if (files.length === 0 || !files.every((file) => file instanceof File)) {
    throw createError("invalid-argument", "source must be an address, or the Files of a model's folder", {
      argument: "source",
    });
  }
  return { kind: "files", files: nameFiles(files) };
}

/** What the cache knows a model by. */
export function cacheAddress(source: string | URL): string {
  // Of Files, as the list of cached models has it.
  if (typeof source === "string" && source.startsWith("files:")) return source;
  return folderAddress(addressOf(source));
}

function addressOf(source: string | URL): string {
  const url = huggingFaceFolder(String(source)) ?? absoluteUrl(source, "source");
  // data: and blob: addresses have nothing below them.
  if (!URL.canParse("config.json", url)) {
    throw createError("invalid-argument", `source: ${url} is no address of a folder`, { argument: "source" });
  }
  return url;
}

/** The address as seen from the page. */
export function absoluteUrl(url: string | URL, argument: string): string {
  const base = globalThis.document?.baseURI ?? globalThis.location?.href;
  try {
    return new URL(url, base).href;
  } catch (cause) {
    throw createError(
      "invalid-argument",
      `${argument}: ${String(url)} is no address`,
      { argument },
      { cause },
    );
  }
}

/**
 * Runs what reads a source through wasm. Of an error in the source only message, address and status come back from there;
 * what is thrown here is the error itself.
 */
export async function readThrough<R>(
  source: FileSource,
  run: (source: FileSource) => Promise<R>,
): Promise<R> {
  const remembering = new RememberingSource(source);
  try {
    return await run(remembering);
  } catch (thrown) {
    const { failure } = remembering;
    if (failure === undefined) throw thrown;
    const same = !(failure instanceof LoopLMError) || failure.code === toLoopLMError(thrown).code;
    throw same ? failure : thrown;
  }
}

/** A source which remembers what failed in it. */
class RememberingSource implements FileSource {
  /** What was thrown last. */
  failure: unknown;
  readonly #source: FileSource;

  constructor(source: FileSource) {
    this.#source = source;
  }

  async open(path: string): Promise<FileStream | null> {
    const file = await this.#remember(() => this.#source.open(path));
    if (file === null) return null;
    return { size: file.size, read: () => this.#remember(() => file.read()), close: () => file.close() };
  }

  async #remember<R>(run: () => Promise<R>): Promise<R> {
    try {
      return await run();
    } catch (thrown) {
      this.failure = thrown;
      throw thrown;
    }
  }
}

function isIterable(value: unknown): value is Iterable<unknown> {
  return typeof value === "object" && value !== null && Symbol.iterator in value;
}
