// Reading a folder without a cache. What a connection or a server does wrong is as with one: tried again, gone on from, or an
// error that says what it was.
import { afterEach, describe, expect, test, vi } from "vitest";
import { NetworkError } from "../errors.js";
import { readThrough } from "../source.js";
import { BASE, CacheBed, expected, hashes } from "../testing/cache-bed.js";
import { read } from "../testing/fake-converter.js";
import type { FileStream } from "../wasm/looplm.js";
import { whileUnchanged } from "./changes.js";
import { DirectSource } from "./direct-source.js";
import { SourceChanged } from "./ranges.js";
import { UrlOrigin } from "./url-origin.js";

afterEach(() => void vi.unstubAllGlobals());

const WEIGHTS = "model.safetensors";

function originOf(base: string, signal = new AbortController().signal): UrlOrigin {
  return new UrlOrigin(base, signal, () => Promise.resolve());
}

function open(path: string, signal = new AbortController().signal): Promise<FileStream | null> {
  return new DirectSource(originOf("http://m.test/", signal), signal).open(path);
}

/** Answers every address with `answer`; returns the addresses asked for. */
function serve(answer: (signal: AbortSignal) => Response | Promise<Response>): string[] {
  const asked: string[] = [];
  vi.stubGlobal("fetch", async (url: string, { signal }: { signal: AbortSignal }) => {
    asked.push(url);
    return answer(signal);
  });
  return asked;
}

async function readAll(file: FileStream | null): Promise<number> {
  let bytes = 0;
  for (let chunk = await file?.read(); chunk; chunk = await file?.read()) bytes += chunk.byteLength;
  return bytes;
}

test("streams a file, with its size where the server tells it", async () => {
  serve(() => new Response("12345678", { headers: { "content-length": "8" } }));
  const file = await open(WEIGHTS);
  expect(file?.size).toBe(8);
  expect(await readAll(file)).toBe(8);

  serve(() => new Response("12345678"));
  const unknown = await open(WEIGHTS);
  expect(unknown?.size).toBeUndefined();
  expect(await readAll(unknown)).toBe(8);
});

describe("a missing file is null", () => {
  test.each([404, 410])("HTTP %i", async (status) => {
    serve(() => new Response("gone", { status }));
    expect(await open("config.json")).toBeNull();
    expect(await open(WEIGHTS)).toBeNull();
  });

  test("the start page of a single-page application", async () => {
    const headers = { "content-type": "text/html; charset=utf-8" };
    serve(() => new Response("<!doctype html>", { headers }));
    expect(await open(WEIGHTS)).toBeNull();
  });
});

test.each([
  [500, 5],
  [429, 5],
  [403, 1],
])("HTTP %i is a network error with status and address, after %i tries", async (status, tries) => {
  const asked = serve(() => new Response("", { status }));
  const error = await open(WEIGHTS).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(NetworkError);
  expect(error).toMatchObject({ details: { url: `http://m.test/${WEIGHTS}`, status } });
  expect(asked).toHaveLength(tries);
});

test("no connection is a network error", async () => {
  serve(() => {
    throw new TypeError("Failed to fetch");
  });
  await expect(open("config.json")).rejects.toMatchObject({
    code: "network",
    details: { url: "http://m.test/config.json" },
  });
});

test("the signal stops opening and reading", async () => {
  const abort = new AbortController();
  serve((signal) => {
    signal.throwIfAborted();
    const start = (controller: ReadableStreamDefaultController): void =>
      signal.addEventListener("abort", () => controller.error(new DOMException("", "AbortError")));
    return new Response(new ReadableStream({ start }));
  });
  const file = await open(WEIGHTS, abort.signal);
  const reading = file?.read();
  abort.abort();
  await expect(reading).rejects.toMatchObject({ code: "aborted" });
  await expect(open("config.json", abort.signal)).rejects.toMatchObject({ code: "aborted" });
});

test("close stops the download", async () => {
  const cancelled = vi.fn();
  serve(() => new Response(new ReadableStream({ cancel: cancelled })));
  (await open(WEIGHTS))?.close();
  expect(cancelled).toHaveBeenCalledOnce();
});

/** The ranges that were asked for of a file, from the first byte on. */
function asked(bed: CacheBed, path: string): (number | undefined)[] {
  return bed.server.requests.filter((request) => request.path === path).map(({ range }) => range?.[0]);
}

function load(): ReturnType<typeof hashes> {
  const { signal } = new AbortController();
  const origin = originOf(BASE, signal);
  return whileUnchanged(origin, () => readThrough(new DirectSource(origin, signal), hashes));
}

describe("a connection that is lost in the middle", () => {
  test("goes on from there", async () => {
    const bed = new CacheBed();
    bed.server.lie = (answer, { path, range }) => {
      if (path !== "a.safetensors") return;
      if (range === undefined) answer.breakAfter = 1200;
      else if (range[0] === 1200) answer.breakAfter = 3000;
    };
    expect(await load()).toEqual(await expected(1, "stored"));
    expect(asked(bed, "a.safetensors")).toEqual([undefined, 1200, 4200, 0]);
  });

  test("just before its end goes on to it", async () => {
    const bed = new CacheBed();
    const size = bed.server.files.get("b.safetensors")?.byteLength ?? 0;
    bed.server.lie = (answer, { range }) => {
      if (range === undefined && answer.body.byteLength === size) answer.breakAfter = size - 1;
    };
    expect(await load()).toEqual(await expected(1, "stored"));
    expect(asked(bed, "b.safetensors")).toEqual([undefined, size - 1]);
  });

  test("after all has come is at its end", async () => {
    const bed = new CacheBed();
    const size = bed.server.files.get("b.safetensors")?.byteLength ?? 0;
    bed.server.lie = (answer, { path }) => {
      if (path === "b.safetensors") answer.breakAfter = size;
    };
    expect(await load()).toEqual(await expected(1, "stored"));
    expect(asked(bed, "b.safetensors")).toEqual([undefined]);
  });

  test.each(["no ranges", "ranges that nobody can place"])(
    "of a server with %s is read up to there",
    async (what) => {
      const bed = new CacheBed();
      let broken = 0;
      bed.server.ranges = what !== "no ranges";
      bed.server.lie = (answer, { path, range }) => {
        if (range !== undefined) delete answer.headers["content-range"];
        else if (path === "b.safetensors" && broken++ === 0) answer.breakAfter = 1200;
      };
      expect(await load()).toEqual(await expected(1, "stored"));
    },
  );

  test("again and again is an error that tells how far it came", async () => {
    const bed = new CacheBed();
    const size = bed.server.files.get("b.safetensors")?.byteLength ?? 0;
    bed.server.lie = (answer, { path, range }) => {
      if (path === "b.safetensors") answer.breakAfter = range === undefined ? 600 : 0;
    };
    const origin = originOf(BASE);
    const file = await new DirectSource(origin, new AbortController().signal).open("b.safetensors");
    await expect(readAll(file)).rejects.toMatchObject({
      code: "network",
      message: `${BASE}b.safetensors: connection lost after 600 of ${size} bytes`,
      details: { received: 600, size },
    });
  });

  test("by an early end, without a word, is noticed", async () => {
    const bed = new CacheBed();
    bed.server.lie = (answer, { path, range }) => {
      if (path === "b.safetensors" && range === undefined) answer.body = answer.body.slice(0, 1500);
    };
    expect(await load()).toEqual(await expected(1, "stored"));
    expect(asked(bed, "b.safetensors")).toEqual([undefined, 1500]);
  });
});

describe("another version", () => {
  test("after the connection was lost: all of the new one", async () => {
    const bed = new CacheBed();
    bed.server.lie = (answer, { path, range }) => {
      if (path !== "a.safetensors" || range !== undefined || bed.server.version > 1) return;
      answer.breakAfter = 1200;
      bed.publish(2);
    };
    expect(await load()).toEqual(await expected(2, "stored"));
  });

  test("between two weight files: all of the new one", async () => {
    const bed = new CacheBed();
    bed.server.lie = (_, { path }) => {
      if (path === "b.safetensors" && bed.server.version === 1) bed.publish(2);
    };
    const loaded = await load();
    expect(loaded).toEqual(await expected(2, "stored"));
  });

  test("again and again is an error", async () => {
    const bed = new CacheBed();
    let version = 1;
    bed.server.lie = (_, { path }) => {
      if (path === "b.safetensors") bed.publish(++version);
    };
    await expect(load()).rejects.toMatchObject({
      code: "network",
      message: expect.stringMatching(/a\.safetensors changed while it was fetched, twice/) as string,
      details: { url: `${BASE}a.safetensors` },
    });
  });

  test("of weights that are gone meanwhile", async () => {
    const bed = new CacheBed();
    const source = new DirectSource(originOf(BASE), new AbortController().signal);
    await read(source, "a.safetensors");
    bed.server.files.delete("a.safetensors");
    await expect(source.open("a.safetensors")).rejects.toBeInstanceOf(SourceChanged);
  });
});
