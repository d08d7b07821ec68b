import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { AbortedError, NetworkError } from "../errors.js";
import { ask } from "./http.js";
import { retrying, TransientError } from "./retry.js";

const URL = "https://models.test/a.safetensors";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** A server that is silent after `chunks`, until its request is given up. */
function silentAfter(...chunks: string[]): void {
  vi.stubGlobal("fetch", async (_: string, { signal }: { signal: AbortSignal }) => {
    if (chunks.length === 0) {
      return new Promise((_, reject) =>
        signal.addEventListener("abort", () => reject(signal.reason as Error)),
      );
    }
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const chunk of chunks) controller.enqueue(new TextEncoder().encode(chunk));
        signal.addEventListener("abort", () => controller.error(signal.reason));
      },
    });
    return new Response(body, { headers: { "content-length": "100" } });
  });
}

function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe("a server that falls silent is a lost connection", () => {
  test("before it answers", async () => {
    silentAfter();
    const failed = failure(ask(URL, new AbortController().signal));
    await vi.advanceTimersByTimeAsync(29_000);
    expect(vi.getTimerCount()).toBe(1);
    await vi.advanceTimersByTimeAsync(2000);
    expect(await failed).toBeInstanceOf(TransientError);
  });

  test("in the middle", async () => {
    silentAfter("12345");
    const answer = await ask(URL, new AbortController().signal);
    expect((await answer.read())?.byteLength).toBe(5);
    const failed = failure(answer.read());
    await vi.advanceTimersByTimeAsync(31_000);
    expect(await failed).toMatchObject({ error: { details: { url: URL, received: 5, size: 100 } } });
    expect(vi.getTimerCount()).toBe(0);
  });

  test("but a caller who takes his time is not", async () => {
    silentAfter("12345", "678");
    const answer = await ask(URL, new AbortController().signal);
    await answer.read();
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect((await answer.read())?.byteLength).toBe(3);
    answer.close();
  });
});

test("the caller's signal ends it, and it is not tried again", async () => {
  silentAfter();
  const abort = new AbortController();
  const failed = failure(
    retrying(
      () => ask(URL, abort.signal),
      abort.signal,
      () => Promise.reject(new Error("no waiting")),
    ),
  );
  abort.abort();
  expect(await failed).toBeInstanceOf(AbortedError);
  expect(vi.getTimerCount()).toBe(0);
});

describe("tries", () => {
  function answering(...statuses: number[]): {
    waits: number[];
    tried: () => number;
    run: () => Promise<unknown>;
  } {
    let tried = 0;
    vi.stubGlobal("fetch", async () => {
      const status = statuses[Math.min(tried++, statuses.length - 1)] ?? 200;
      return new Response("", { status, headers: status === 429 ? { "retry-after": "7" } : {} });
    });
    const waits: number[] = [];
    const { signal } = new AbortController();
    const wait = (milliseconds: number): Promise<void> => {
      waits.push(milliseconds);
      return Promise.resolve();
    };
    return { waits, tried: () => tried, run: () => failure(retrying(() => ask(URL, signal), signal, wait)) };
  }

  test("five, with longer and longer waits, and then the error itself", async () => {
    const { waits, tried, run } = answering(503);
    expect(await run()).toBeInstanceOf(NetworkError);
    expect(tried()).toBe(5);
    expect(waits).toHaveLength(4);
    waits.forEach((wait, i) => {
      expect(wait).toBeGreaterThanOrEqual(375 * 2 ** i);
      expect(wait).toBeLessThanOrEqual(625 * 2 ** i);
    });
  });

  test("as long a wait as the server asks for", async () => {
    const { waits, run } = answering(429, 429, 200);
    expect(await run()).toBeUndefined();
    expect(waits).toEqual([7000, 7000]);
  });

  test.each([400, 401, 403, 451])("one after HTTP %i", async (status) => {
    const { tried, run } = answering(status);
    expect(await run()).toMatchObject({ code: "network", details: { url: URL, status } });
    expect(tried()).toBe(1);
  });
});

describe("a model that Hugging Face does not hand out", () => {
  const HUB = "https://huggingface.co/a/b/resolve/main/config.json";
  const { signal } = new AbortController();

  function answering(status: number, headers: Record<string, string> = {}): void {
    vi.stubGlobal("fetch", async () => new Response("", { status, headers }));
  }

  test.each([
    [401, {}],
    [403, {}],
    [404, { "x-error-code": "RepoNotFound" }],
    [404, { "x-error-code": "RevisionNotFound" }],
  ])("HTTP %i, %j", async (status, headers) => {
    answering(status, { ...headers });
    const error = await failure(ask(HUB, signal));
    expect(error).toMatchObject({
      code: "network",
      message: expect.stringMatching(/no such model.*private.*licence.*token.*download/),
      details: { url: HUB, status },
    });
  });

  test("a file that is not there is only that, and another server means what it says", async () => {
    answering(404, { "x-error-code": "EntryNotFound" });
    const answer = await ask(HUB, signal);
    expect(answer.status).toBe(404);
    answer.close();
    answering(401);
    expect(await failure(ask(URL, signal))).toMatchObject({ message: `${URL} answered HTTP 401` });
  });
});

test.each([
  [{ "content-length": "8" }, URL, 8],
  [{ "content-length": "8", "content-encoding": "gzip" }, URL, undefined],
  [{ "content-length": "8", "content-encoding": "identity" }, URL, 8],
  [{}, URL, undefined],
])("the size that %j tells", async (headers, url, size) => {
  vi.stubGlobal("fetch", async () => new Response("12345678", { headers: { ...headers } }));
  const answer = await ask(url, new AbortController().signal);
  expect(answer.size).toBe(size);
  answer.close();
});

test("another origin may hide that it compresses text, so its length is not believed", async () => {
  vi.stubGlobal("fetch", async () => {
    const response = new Response("12345678", { headers: { "content-length": "3" } });
    return Object.defineProperty(response, "type", { value: "cors" });
  });
  const { signal } = new AbortController();
  const [text, weights] = [await ask("https://models.test/tokenizer.json", signal), await ask(URL, signal)];
  expect([text.size, weights.size]).toEqual([undefined, 3]);
  text.close();
  weights.close();
});

describe("a body read into a buffer", () => {
  const { signal } = new AbortController();

  function serve(type: "bytes" | undefined, ...chunks: string[]): void {
    vi.stubGlobal("fetch", async () => {
      const parts = chunks.map((chunk) => new TextEncoder().encode(chunk));
      const start = (controller: ReadableByteStreamController | ReadableStreamDefaultController): void => {
        for (const part of parts) controller.enqueue(part);
        controller.close();
      };
      return new Response(type ? new ReadableStream({ type, start }) : new ReadableStream({ start }));
    });
  }

  test.each(["bytes", undefined] as const)("of a stream of type %s", async (type) => {
    serve(type, "12", "345");
    const answer = await ask(URL, signal);
    let buffer = new ArrayBuffer(8);
    let filled = 1;
    while (filled < 6) {
      const given: ArrayBuffer = buffer;
      const part = await answer.readInto(new Uint8Array(given, filled, 8 - filled));
      // Where the browser can, the memory is the same.
      expect(given.byteLength).toBe(type === "bytes" ? 0 : 8);
      buffer = part.buffer;
      filled += part.bytes;
    }
    expect((await answer.readInto(new Uint8Array(1))).bytes).toBe(0);
    expect(new TextDecoder().decode(new Uint8Array(buffer, 1, filled - 1))).toBe("12345");
    expect(answer.received).toBe(5);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("a chunk that does not fit is more than was asked for", async () => {
    serve(undefined, "12345");
    const answer = await ask(URL, signal);
    await expect(answer.readInto(new Uint8Array(4))).rejects.toThrow(/more than it was asked for/);
  });
});
