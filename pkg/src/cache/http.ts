import { abortedError, createError, type LoopLMError } from "../errors.js";
import { headersFor } from "../request-headers.js";
import type { FileVersion } from "./manifest.js";
import { TransientError } from "./retry.js";

const HUGGING_FACE = "https://huggingface.co/";

/** A connection that is silent for so long, in milliseconds, is taken to be lost. */
const PATIENCE = 30_000;

/** Bytes of a file, from `offset` up to (not including) `end`. */
export interface ByteRange {
  offset: number;
  end: number;
}

/** An answer whose body is still to be read, or given up with `close`. */
export class Answer {
  readonly url: string;
  readonly response: Response;
  /** Bytes of the file, so far. */
  received = 0;
  /** Where in the file the body begins. */
  #offset = 0;
  readonly #watch: Watch;
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  #filler: ReadableStreamBYOBReader | undefined;

  constructor(url: string, response: Response, watch: Watch) {
    this.url = url;
    this.response = response;
    this.#watch = watch;
  }

  get status(): number {
    return this.response.status;
  }

  header(name: string): string | undefined {
    return this.response.headers.get(name) ?? undefined;
  }

  /** Which version of the file it is of, without its size. */
  get version(): FileVersion {
    const etag = this.header("etag");
    const lastModified = this.header("last-modified");
    return {
      ...(etag === undefined ? {} : { etag }),
      ...(lastModified === undefined ? {} : { lastModified }),
    };
  }

  /** Whether what is read is not what was sent. A header that another origin hides is taken not to be there. */
  get compressed(): boolean {
    return !["identity", "", undefined].includes(this.header("content-encoding"));
  }

  /** What lies before the body was received already. */
  continues(offset: number): void {
    this.received = this.#offset = offset;
  }

  /** Where what will be read ends, where the answer says; a compressed one says another. */
  get size(): number | undefined {
    const length = this.header("content-length");
    if (this.compressed || length === undefined || !/^\d+$/.test(length)) return undefined;
    // Another origin may hide that it compresses. Servers compress text, not weights.
    const text = !new URL(this.url).pathname.endsWith(".safetensors");
    return text && this.response.type === "cors" ? undefined : this.#offset + Number(length);
  }

  /** The next bytes; null at the end. A lost connection is a `TransientError`. */
  async read(): Promise<Uint8Array | null> {
    const reader = (this.#reader ??= this.response.body?.getReader());
    const value = (await this.#heard(reader?.read()))?.value;
    this.received += value?.byteLength ?? 0;
    if (value === undefined) this.close();
    return value ?? null;
  }

  /**
   * Reads into a part of a buffer, which is given up for the one that comes back: so that a body can be read without
   * leaving its chunks behind. The number of bytes is 0 at the end only. More than fits is a `TransientError`, as a lost
   * connection is. Not to be mixed with `read`.
   */
  async readInto(into: Uint8Array<ArrayBuffer>): Promise<{ buffer: ArrayBuffer; bytes: number }> {
    this.#filler ??= byteReader(this.response.body);
    if (this.#filler === undefined) {
      const chunk = await this.read();
      if (chunk !== null && chunk.byteLength > into.byteLength) throw this.tooLong();
      if (chunk !== null) into.set(chunk);
      return { buffer: into.buffer, bytes: chunk?.byteLength ?? 0 };
    }
    const { value } = (await this.#heard(this.#filler.read(into))) ?? {};
    const bytes = value?.byteLength ?? 0;
    this.received += bytes;
    if (bytes === 0) this.close();
    return { buffer: (value as Uint8Array<ArrayBuffer> | undefined)?.buffer ?? new ArrayBuffer(), bytes };
  }

  /** What comes next of the body, under the watch. */
  async #heard<R>(reading: Promise<R> | undefined): Promise<R | undefined> {
    this.#watch.listen();
    try {
      const heard = await reading;
      this.#watch.rest();
      return heard;
    } catch (cause) {
      throw this.#watch.failure(this.lost(undefined, cause));
    }
  }

  /** That more came than there should be. */
  tooLong(): TransientError {
    const { url, received } = this;
    const message = `${url}: the server sent more than it was asked for`;
    return new TransientError(createError("network", message, { url, received }));
  }

  /** That the connection was lost; `size` is what should have come. */
  lost(size = this.size, cause?: unknown): LoopLMError {
    const { url, received } = this;
    const of = size === undefined ? "" : ` of ${size}`;
    const message = `${url}: connection lost after ${received}${of} bytes`;
    const details = { url, received, ...(size === undefined ? {} : { size }) };
    return createError("network", message, details, { cause });
  }

  /** Reads no further. */
  close(): void {
    this.#watch.end();
    // Nobody reads on, so a failure to cancel matters to nobody.
    const body = this.#filler ?? this.#reader ?? this.response.body;
    body?.cancel().catch(() => undefined);
  }
}

/** A reader that fills buffers, where the browser has one for what comes over the network. */
function byteReader(body: ReadableStream<Uint8Array> | null): ReadableStreamBYOBReader | undefined {
  try {
    return body?.getReader({ mode: "byob" });
  } catch {
    return undefined;
  }
}

/**
 * Asks for a file, or a range of it. The answer may be of any status below 400, or 404, 410 or 416; others throw. What
 * may be over when one tries again is a `TransientError`.
 */
export async function ask(url: string, signal: AbortSignal, range?: ByteRange): Promise<Answer> {
  const watch = new Watch(signal);
  const headers = headersFor(url);
  // No If-Range: with it a browser asks the other origin for leave first, which many servers do not give.
  if (range !== undefined) headers.set("range", `bytes=${range.offset}-${range.end - 1}`);
  let response: Response;
  try {
    // A range that the browser's HTTP cache made up of an older answer would be checked against nothing.
    response = await fetch(url, { signal: watch.signal, cache: "no-store", headers });
  } catch (cause) {
    const message = `${url} could not be fetched (${String(cause)}): no connection, no such server, or it does not allow this page (CORS)`;
    throw watch.failure(createError("network", message, { url }, { cause }));
  }
  watch.rest();
  const answer = new Answer(url, response, watch);
  const { status, statusText } = response;
  const noModel = refusedByHub(answer);
  if (!noModel && (status < 400 || status === 404 || status === 410 || status === 416)) return answer;
  answer.close();
  const said = `${url} answered HTTP ${status} ${statusText}`.trimEnd();
  const error = createError("network", noModel ? `${said}: ${NO_MODEL}` : said, { url, status });
  const mayPass = status >= 500 || status === 408 || status === 425 || status === 429;
  throw mayPass ? new TransientError(error, retryAfter(answer.header("retry-after"))) : error;
}

/** What Hugging Face may mean: it tells strangers nothing of what is not for them, not even that it is there. */
const NO_MODEL =
  'there is no such model or revision, or it is private, or its licence has not been accepted. Check its name; send a token (the option headers: { Authorization: "Bearer hf_..." }); or download its folder and open the files';

/** Whether Hugging Face hands out nothing of the model. A single file that is not there is another matter. */
function refusedByHub(answer: Answer): boolean {
  if (!answer.url.startsWith(HUGGING_FACE)) return false;
  const { status } = answer;
  const missing = /^(Repo|Revision)NotFound$/.test(answer.header("x-error-code") ?? "");
  return status === 401 || status === 403 || (status === 404 && missing);
}

/** The wait that a Retry-After header asks for, in milliseconds. */
function retryAfter(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  const seconds = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, seconds * 1000) : undefined;
}

/** Ends a request that the caller gives up, or that is silent for too long. */
class Watch {
  readonly #caller: AbortSignal;
  readonly #abort = new AbortController();
  readonly #stop = (): void => this.#abort.abort();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(caller: AbortSignal) {
    this.#caller = caller;
    if (caller.aborted) this.#stop();
    caller.addEventListener("abort", this.#stop);
    this.listen();
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** From here on there should be something to hear. */
  listen(): void {
    this.#timer = setTimeout(this.#stop, PATIENCE);
  }

  /** Something was heard, and the next word is the caller's. */
  rest(): void {
    clearTimeout(this.#timer);
  }

  end(): void {
    this.rest();
    this.#caller.removeEventListener("abort", this.#stop);
  }

  /** What to throw of a request that has failed. */
  failure(error: LoopLMError): Error {
    this.end();
    return this.#caller.aborted ? abortedError("loading") : new TransientError(error);
  }
}
