// Serves a model's folder from another origin than the page's, by ranges, and wrongly on request.
import { closeSync, openSync, readdirSync, readSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

/**
 * Starts on a free port. Of the returned object, `files` can be replaced, `version` is in every ETag, `ranges` says whether
 * ranges are given, `moved` whether every file is at another address, which the answer to the first says, `gzip(path)`
 * whether a file is compressed for who takes it so, and `lie(answer, request)` may change an answer: { status, headers, body,
 * breakAfter, breakDelay }, the last two in bytes and milliseconds, or hold it back by a promise. `requests` are those that
 * came, as { path, range: [first, last] | undefined }, and `redirected` those that were sent on to the other address.
 */
export async function serveModel(files) {
  const honesty = { version: 1, ranges: true, moved: false, gzip: () => false, lie: undefined };
  const state = { files, ...honesty, requests: [], redirected: [] };
  const server = createServer((request, response) => void respond(state, request, response));
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return Object.assign(state, {
    url: `http://127.0.0.1:${server.address().port}/model/`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}

/** The files of a folder. */
export function folder(path) {
  return Object.fromEntries(readdirSync(path).map((name) => [name, fileOf(join(path, name))]));
}

function fileOf(path) {
  return {
    size: statSync(path).size,
    read(start, end) {
      const bytes = Buffer.alloc(end - start);
      const file = openSync(path);
      try {
        const read = readSync(file, bytes, 0, bytes.length, start);
        return bytes.subarray(0, read);
      } finally {
        closeSync(file);
      }
    },
  };
}

async function respond(state, request, response) {
  const { pathname } = new URL(request.url, "http://localhost");
  const [, from, name = ""] = /^\/(model|moved)\/(.*)$/.exec(pathname) ?? [];
  const path = decodeURIComponent(name);
  const found = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "");
  const range = found === null ? undefined : [Number(found[1]), Number(found[2])];
  if (state.moved && from === "model") {
    state.redirected.push({ path, range });
    const location = `/moved/${name}`;
    return void response.writeHead(302, { location, "access-control-allow-origin": "*" }).end();
  }
  state.requests.push({ path, range });
  // Of ranges browsers want the bytes as they are.
  const packed = /\bgzip\b/.test(request.headers["accept-encoding"] ?? "") && state.gzip(path);
  const answer = honest(state, path, range, packed);
  await state.lie?.(answer, { path, range });
  const { status, headers, body, breakAfter, breakDelay = 100 } = answer;
  if (breakAfter === 0) return void response.destroy();
  response.writeHead(status, {
    "access-control-allow-origin": "*",
    "access-control-expose-headers": "etag, content-range, content-encoding",
    ...headers,
  });
  if (breakAfter === undefined) return void response.end(body);
  response.write(body.subarray(0, breakAfter));
  // Long enough for the page to have it: it is the connection that is to break, not the request.
  setTimeout(() => response.destroy(), breakDelay);
}

function honest(state, path, range, packed) {
  const file = state.files[path];
  if (file === undefined) return { status: 404, headers: {}, body: Buffer.alloc(0) };
  const headers = { "content-type": "application/octet-stream", etag: `"${path}-${state.version}"` };
  if (range === undefined || !state.ranges) {
    return encoded(packed, 200, headers, file.read(0, file.size));
  }
  const [first, last] = [range[0], Math.min(range[1], file.size - 1)];
  if (first > last) return { status: 416, headers: {}, body: Buffer.alloc(0) };
  headers["content-range"] = `bytes ${first}-${last}/${file.size}`;
  return encoded(packed, 206, headers, file.read(first, last + 1));
}

/** The answer with this body, compressed if it is to be. */
function encoded(packed, status, headers, body) {
  if (!packed) return { status, headers: { ...headers, "content-length": body.length }, body };
  const compressed = gzipSync(body, { level: 1 });
  const etag = `W/${headers.etag.slice(0, -1)}-gzip"`;
  const encoding = { etag, "content-encoding": "gzip", "content-length": compressed.length };
  return { status, headers: { ...headers, ...encoding }, body: compressed };
}
