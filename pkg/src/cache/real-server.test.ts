// Loads over real connections: what redirects, compression and connections that are cut do to fetch is seen here as it is.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { CacheBed, expected, type Hashes } from "../testing/cache-bed.js";

/** What is to be answered, and where it came from. */
interface Exchange {
  path: string;
  range: [number, number] | undefined;
  request: IncomingMessage;
  response: ServerResponse;
}

let bed: CacheBed;
let server: Server;
let base: string;
/** Whether a file is compressed. */
let compresses: (path: string) => boolean;
/** Answers by itself, if it returns true. */
let answering: (exchange: Exchange) => boolean;
let redirected: string[];
let compressed: string[];

beforeEach(async () => {
  bed = new CacheBed();
  // The bed's files, and not its fetch.
  vi.unstubAllGlobals();
  compresses = () => false;
  answering = () => false;
  redirected = [];
  compressed = [];
  server = createServer(respond);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/m/`;
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

function respond(request: IncomingMessage, response: ServerResponse): void {
  const path = (request.url ?? "").replace(/^\/(m|moved)\//, "");
  const found = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "");
  const range: Exchange["range"] = found === null ? undefined : [Number(found[1]), Number(found[2])];
  if (answering({ path, range, request, response })) return;
  const file = bed.server.files.get(path);
  if (file === undefined) return void response.writeHead(404).end();
  const [first, last] = [range?.[0] ?? 0, Math.min(range?.[1] ?? Infinity, file.byteLength - 1)];
  const part = file.slice(first, last + 1);
  const headers: Record<string, string> = { etag: `"${path}"` };
  if (range !== undefined) headers["content-range"] = `bytes ${first}-${last}/${file.byteLength}`;
  if (!compresses(path)) {
    response.writeHead(range === undefined ? 200 : 206, { ...headers, "content-length": part.byteLength });
    return void response.end(part);
  }
  compressed.push(path);
  const body = gzipSync(part);
  const encoded = { etag: `W/"${path}-gzip"`, "content-encoding": "gzip", "content-length": body.byteLength };
  response.writeHead(range === undefined ? 200 : 206, { ...headers, ...encoded }).end(body);
}

function load(): Promise<Hashes> {
  return bed.load({ base });
}

describe("a server that answers with another address", () => {
  test.each([301, 302, 307, 308])("HTTP %i, of small files and of ranges", async (status) => {
    answering = ({ path, request, response }) => {
      if (request.url?.startsWith("/moved/")) return false;
      redirected.push(`${path} ${request.headers.range ?? ""}`);
      response.writeHead(status, { location: `/moved/${path}` }).end();
      return true;
    };
    expect(await load()).toEqual(await expected());
    expect(redirected).toContain("config.json ");
    expect(redirected.some((asked) => /^b\.safetensors bytes=[1-9]/.test(asked))).toBe(true);
    bed.converter.converted = 0;
    expect(await load()).toEqual(await expected());
    expect(bed.converter.converted).toBe(0);
  });

  test("in circles is an error that says which", async () => {
    answering = ({ path, response }) => {
      response.writeHead(302, { location: `/m/${path}` }).end();
      return true;
    };
    await expect(load()).rejects.toMatchObject({ code: "network", details: { url: `${base}config.json` } });
  });
});

describe("a server that compresses", () => {
  test.each([
    ["small files", (path: string) => path.endsWith(".json")],
    ["weights, ranges of them too", (path: string) => path.endsWith(".safetensors")],
  ])("%s", async (_, which) => {
    compresses = which;
    expect(await load()).toEqual(await expected());
    expect(compressed.length).toBeGreaterThan(0);
    bed.converter.converted = 0;
    expect(await load()).toEqual(await expected());
    expect(bed.converter.converted).toBe(0);
  });

  test("and breaks off: begun again", async () => {
    let broken = 0;
    compresses = (path) => path.endsWith(".safetensors");
    answering = ({ path, range, response }) => {
      if (path !== "b.safetensors" || range !== undefined || broken++ > 0) return false;
      const body = gzipSync(bed.server.files.get(path) ?? "");
      response.writeHead(200, {
        "content-encoding": "gzip",
        "content-length": body.byteLength,
        etag: `"${path}"`,
      });
      response.write(body.subarray(0, body.byteLength / 2), () => response.destroy());
      return true;
    };
    expect(await load()).toEqual(await expected());
    expect(broken).toBeGreaterThan(1);
  });

  test("with what is no gzip is an error that says which", async () => {
    answering = ({ path, response }) => {
      if (path !== "tokenizer.json") return false;
      response.writeHead(200, { "content-encoding": "gzip" }).end("not compressed");
      return true;
    };
    await expect(load()).rejects.toMatchObject({
      code: "network",
      details: { url: `${base}tokenizer.json` },
    });
  });
});

describe("a small file whose connection is cut, without Content-Length", () => {
  const template = new TextEncoder().encode("{% for message in messages %}{{ message }}{% endfor %}");
  let cuts: number;

  /** Answers with half of the template, so many times. */
  function cutting(times: number, answer: (response: ServerResponse, half: Uint8Array) => void): void {
    cuts = 0;
    bed.server.files.set("chat_template.jinja", template);
    answering = ({ path, range, response }) => {
      if (path !== "chat_template.jinja" || range !== undefined || cuts >= times) return false;
      cuts++;
      answer(response, template.slice(0, 20));
      return true;
    };
  }

  const inChunks = (response: ServerResponse, half: Uint8Array): void => {
    response.writeHead(200, { etag: '"chat_template.jinja"' });
    response.write(half, () => response.destroy());
  };

  test("in chunks: fetch tells, and it is fetched again", async () => {
    cutting(2, inChunks);
    expect(await load()).toEqual(await expected(1, "q4", { "chat_template.jinja": template }));
    expect(cuts).toBe(2);
  });

  test("in chunks, always: an error that says which", async () => {
    cutting(Infinity, inChunks);
    const url = `${base}chat_template.jinja`;
    await expect(load()).rejects.toMatchObject({ code: "network", details: { url } });
    expect(cuts).toBe(5);
  });

  test("up to the end of the connection: nobody can tell, and the next load mends it", async () => {
    cutting(1, ({ socket }, half) => {
      socket?.write('HTTP/1.1 200 OK\r\nConnection: close\r\nETag: "chat_template.jinja"\r\n\r\n');
      socket?.end(half);
    });
    const whole = await expected(1, "q4", { "chat_template.jinja": template });
    expect(await load()).not.toEqual(whole);
    expect(cuts).toBe(1);
    expect(await load()).toEqual(whole);
  });
});
