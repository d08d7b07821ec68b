/** What a request asked for. */
export interface FakeRequest {
  path: string;
  /** First and last byte, where a range was asked for. */
  range: [number, number] | undefined;
}

/** An answer before it is one: what a server that lies changes. */
export interface FakeAnswer {
  status: number;
  headers: Record<string, string>;
  body: Uint8Array<ArrayBuffer>;
  /** After so many bytes the connection breaks. */
  breakAfter?: number;
}

/** A server in memory, that answers `fetch`: honest unless told otherwise. */
export class FakeServer {
  readonly files = new Map<string, Uint8Array<ArrayBuffer>>();
  /** In the ETag of every file. */
  version = 1;
  /** In the ETag of a file that has changed by itself. */
  readonly versions = new Map<string, number>();
  /** Whether it answers ranges with ranges. */
  ranges = true;
  /** Whether it sends ETag and Last-Modified. */
  tells = true;
  /** Changes an answer, or throws as `fetch` does without a connection. */
  lie: ((answer: FakeAnswer, request: FakeRequest) => void | Promise<void>) | undefined;
  readonly requests: FakeRequest[] = [];
  /** Requests being answered. */
  open = 0;
  /** Most requests that were being answered at a time. */
  mostOpen = 0;
  readonly #base: string;

  constructor(base: string) {
    this.#base = base;
  }

  /** Stands for the global one. */
  readonly fetch = async (url: string, init: RequestInit = {}): Promise<Response> => {
    const { signal } = init;
    signal?.throwIfAborted();
    const path = decodeURIComponent(url.slice(this.#base.length));
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(new Headers(init.headers).get("range") ?? "") ?? [];
    const range: FakeRequest["range"] = first === undefined ? undefined : [Number(first), Number(last)];
    this.requests.push({ path, range });
    this.mostOpen = Math.max(this.mostOpen, ++this.open);
    try {
      await new Promise((resolve) => setTimeout(resolve, 0));
      const answer = this.#answer(path, range);
      await this.lie?.(answer, { path, range });
      signal?.throwIfAborted();
      const { status, headers } = answer;
      return new Response(stream(answer, signal ?? undefined), { status, headers });
    } finally {
      this.open--;
    }
  };

  #answer(path: string, range: FakeRequest["range"]): FakeAnswer {
    const file = this.files.get(path);
    const text = { "content-type": "text/plain" };
    if (file === undefined) return { status: 404, headers: text, body: new Uint8Array() };
    const headers: Record<string, string> = { "content-type": "application/octet-stream" };
    if (this.tells) headers["etag"] = `"${path}-${this.versions.get(path) ?? this.version}"`;
    if (range === undefined || !this.ranges) {
      headers["content-length"] = String(file.byteLength);
      return { status: 200, headers, body: file };
    }
    const [first, last] = [range[0], Math.min(range[1], file.byteLength - 1)];
    if (first > last) return { status: 416, headers: text, body: new Uint8Array() };
    headers["content-range"] = `bytes ${first}-${last}/${file.byteLength}`;
    headers["content-length"] = String(last - first + 1);
    return { status: 206, headers, body: file.slice(first, last + 1) };
  }
}

/**
 * The body in chunks, each a turn of the event loop later. That of a range can be read into buffers, as in browsers; of a
 * whole file it cannot, as in others: both are to be read here.
 */
function stream(answer: FakeAnswer, signal: AbortSignal | undefined): ReadableStream {
  const { status, body, breakAfter } = answer;
  let sent = 0;
  const next = async (controller: ReadableByteStreamController | ReadableStreamDefaultController) => {
    await new Promise((resolve) => setTimeout(resolve, 0));
    if (signal?.aborted) return controller.error(signal.reason);
    if (breakAfter !== undefined && sent >= breakAfter) {
      return controller.error(new TypeError("network error"));
    }
    if (sent === body.byteLength) {
      controller.close();
      if ("byobRequest" in controller) controller.byobRequest?.respond(0);
      return;
    }
    const chunk = body.slice(sent, Math.min(sent + 600, breakAfter ?? Infinity));
    sent += chunk.byteLength;
    controller.enqueue(chunk);
  };
  return status === 206
    ? new ReadableStream({ type: "bytes", pull: next })
    : new ReadableStream({ pull: next });
}
