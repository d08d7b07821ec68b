import { afterEach, describe, expect, test, vi } from "vitest";
import { NetworkError } from "./errors.js";
import { UrlSource } from "./source-url.js";
import type { FileStream } from "./wasm/looplm.js";

afterEach(() => void vi.unstubAllGlobals());

/** Answers every address with `answer`; returns the addresses asked for. */
function serve(answer: (signal: AbortSignal) => Response | Promise<Response>): string[] {
  const asked: string[] = [];
  vi.stubGlobal("fetch", async (url: string, { signal }: { signal: AbortSignal }) => {
    asked.push(url);
    return answer(signal);
  });
  return asked;
}

function open(base: string, path: string, signal = new AbortController().signal): Promise<FileStream | null> {
  return new UrlSource(base, signal).open(path);
}

async function readAll(file: FileStream | null): Promise<number> {
  let bytes = 0;
  for (let chunk = await file?.read(); chunk; chunk = await file?.read()) bytes += chunk.byteLength;
  return bytes;
}

describe("addresses", () => {
  test.each([
    ["http://m.test/a/b", "config.json", "http://m.test/a/b/config.json"],
    ["http://m.test/a/b/", "config.json", "http://m.test/a/b/config.json"],
    ["http://m.test/a?token=x#y", "config.json", "http://m.test/a/config.json?token=x"],
    ["http://m.test", "sub/a b#1.json", "http://m.test/sub/a%20b%231.json"],
  ])("%s + %s", async (base, path, expected) => {
    const asked = serve(() => new Response(""));
    await open(base, path);
    expect(asked).toEqual([expected]);
  });
});

test("streams a file, with its size where the server tells it", async () => {
  serve(() => new Response("12345678", { headers: { "content-length": "8" } }));
  const file = await open("http://m.test/", "model.safetensors");
  expect(file?.size).toBe(8);
  expect(await readAll(file)).toBe(8);

  serve(() => new Response("12345678"));
  const unknown = await open("http://m.test/", "model.safetensors");
  expect(unknown?.size).toBeUndefined();
  expect(await readAll(unknown)).toBe(8);
});

test("knows no size of a compressed file: Content-Length is that of the compressed bytes", async () => {
  serve(() => new Response("12345678", { headers: { "content-length": "3", "content-encoding": "gzip" } }));
  const file = await open("http://m.test/", "tokenizer.json");
  expect(file?.size).toBeUndefined();
  expect(await readAll(file)).toBe(8);
});

describe("a missing file is null", () => {
  test.each([404, 410])("HTTP %i", async (status) => {
    serve(() => new Response("gone", { status }));
    expect(await open("http://m.test/", "config.json")).toBeNull();
  });

  test("the start page of a single-page application", async () => {
    const headers = { "content-type": "text/html; charset=utf-8" };
    serve(() => new Response("<!doctype html>", { headers }));
    expect(await open("http://m.test/", "model.safetensors")).toBeNull();
  });
});

test.each([500, 403, 429])("HTTP %i is a network error with status and address", async (status) => {
  serve(() => new Response("", { status }));
  const error = await open("http://m.test/", "config.json").catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(NetworkError);
  expect(error).toMatchObject({ details: { url: "http://m.test/config.json", status } });
});

test("no connection is a network error", async () => {
  serve(() => {
    throw new TypeError("Failed to fetch");
  });
  await expect(open("http://m.test/", "config.json")).rejects.toMatchObject({
    code: "network",
    details: { url: "http://m.test/config.json" },
  });
});

describe("a connection lost in the middle tells how far it came", () => {
  test("by an error", async () => {
    let pulls = 0;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (pulls++ === 0) controller.enqueue(new Uint8Array(5));
        else controller.error(new TypeError("network error"));
      },
    });
    serve(() => new Response(body, { headers: { "content-length": "8" } }));
    await expect(readAll(await open("http://m.test/", "model.safetensors"))).rejects.toMatchObject({
      code: "network",
      message: "http://m.test/model.safetensors: connection lost after 5 of 8 bytes",
      details: { received: 5, size: 8 },
    });
  });

  test("by an early end", async () => {
    serve(() => new Response("12345", { headers: { "content-length": "8" } }));
    await expect(readAll(await open("http://m.test/", "model.safetensors"))).rejects.toThrow(
      "connection lost after 5 of 8 bytes",
    );
  });
});

test("the signal stops opening and reading", async () => {
  const abort = new AbortController();
  const body = new ReadableStream<Uint8Array>({
    start: (controller) =>
      abort.signal.addEventListener("abort", () => controller.error(new DOMException("", "AbortError"))),
  });
  serve((signal) => {
    signal.throwIfAborted();
    return new Response(body);
  });
  const file = await open("http://m.test/", "model.safetensors", abort.signal);
  const reading = file?.read();
  abort.abort();
  await expect(reading).rejects.toMatchObject({ code: "aborted" });
  await expect(open("http://m.test/", "config.json", abort.signal)).rejects.toMatchObject({
    code: "aborted",
  });
});

test("close stops the download", async () => {
  const cancelled = vi.fn();
  serve(() => new Response(new ReadableStream({ cancel: cancelled })));
  (await open("http://m.test/", "model.safetensors"))?.close();
  expect(cancelled).toHaveBeenCalledOnce();
});
