import { abortedError, createError, type LoopLMError } from "./errors.js";
import { headersFor } from "./request-headers.js";
import type { FileSource, FileStream } from "./wasm/looplm.js";

/** The address of a folder, always written the same way: with a slash at the end of its path, and without a fragment. */
export function folderAddress(base: string): string {
  const url = new URL(base);
  url.hash = "";
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  return url.href;
}

/** The address of a file in a folder. */
export function fileAddress(folder: string, path: string): string {
  const base = new URL(folder);
  const url = new URL(path.split("/").map(encodeURIComponent).join("/"), base);
  url.search = base.search;
  return url.href;
}

/** A model's folder on a server. Files are fetched once each, when asked for, and streamed. */
export class UrlSource implements FileSource {
  readonly #base: string;
  readonly #signal: AbortSignal;

  /** `base` is absolute, with or without a slash at its end; a query (`?token=...`) goes with every file. */
  constructor(base: string, signal: AbortSignal) {
    this.#base = folderAddress(base);
    this.#signal = signal;
  }

  async open(path: string): Promise<FileStream | null> {
    const url = fileAddress(this.#base, path);
    const response = await this.#fetch(url);
    if (response.status === 404 || response.status === 410 || isStartPage(response, path)) {
      await response.body?.cancel();
      return null;
    }
    if (!response.ok) {
      await response.body?.cancel();
      const { status, statusText } = response;
      throw createError("network", `${url} answered HTTP ${status} ${statusText}`.trimEnd(), {
        url,
        status,
      });
    }
    return new ResponseStream(response, url, path, this.#signal);
  }

  async #fetch(url: string): Promise<Response> {
    try {
      return await fetch(url, { signal: this.#signal, headers: headersFor(url) });
    } catch (cause) {
      if (this.#signal.aborted) throw abortedError("loading");
      const message = `${url} could not be fetched (${String(cause)}): no connection, no such server, or it does not allow this page (CORS)`;
      throw createError("network", message, { url }, { cause });
    }
  }
}

/** Development servers of single-page applications answer a missing file with 200 and their start page. */
export function isStartPage(response: Response, path: string): boolean {
  return (
    response.ok &&
    !/\.html?$/i.test(path) &&
    /^text\/html\b/i.test(response.headers.get("content-type") ?? "")
  );
}

class ResponseStream implements FileStream {
  readonly size: number | undefined;
  readonly #url: string;
  readonly #signal: AbortSignal;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  #received = 0;

  constructor(response: Response, url: string, path: string, signal: AbortSignal) {
    this.size = decodedSize(response, path);
    this.#url = url;
    this.#signal = signal;
    this.#reader = response.body?.getReader();
  }

  async read(): Promise<Uint8Array | null> {
    let value: Uint8Array | undefined;
    try {
      value = (await this.#reader?.read())?.value;
    } catch (cause) {
      if (this.#signal.aborted) throw abortedError("loading");
      throw this.#connectionLost(cause);
    }
    if (value === undefined) {
      if (this.size !== undefined && this.#received < this.size) throw this.#connectionLost();
      return null;
    }
    this.#received += value.byteLength;
    return value;
  }

  close(): void {
    // Nobody reads on, so a failure to cancel matters to nobody.
    this.#reader?.cancel().catch(() => undefined);
  }

  #connectionLost(cause?: unknown): LoopLMError {
    const received = this.#received;
    const of = this.size === undefined ? "" : ` of ${this.size}`;
    const details = { url: this.#url, received, ...(this.size === undefined ? {} : { size: this.size }) };
    return createError("network", `${this.#url}: connection lost after ${received}${of} bytes`, details, {
      cause,
    });
  }
}

/** Bytes that will be read. Content-Length counts compressed bytes, so it says nothing of a compressed file. */
function decodedSize(response: Response, path: string): number | undefined {
  const length = response.headers.get("content-length");
  if (length === null || !/^\d+$/.test(length) || response.headers.has("content-encoding")) return undefined;
  // Another origin may hide Content-Encoding. Servers compress text, not safetensors.
  if (response.type === "cors" && !path.endsWith(".safetensors")) return undefined;
  return Number(length);
}
