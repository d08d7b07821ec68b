// Serves a model's folder from another origin than the page's, by ranges, and wrongly on request.
import { closeSync, openSync, readdirSync, readSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";

/**
 * Starts on a free port. Of the returned object, `files` can be replaced, `version` is in every ETag, `ranges` says whether
 * ranges are given, and `lie(answer, request)` may change an answer: { status, headers, body, breakAfter }, or hold it back
 * by a promise. `requests` are those that came, as { path, range: [first, last] | undefined }.
 */
export async function serveModel(files) {
  const state = { files, version: 1, ranges: true, lie: undefined, requests: [] };
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
  const path = decodeURIComponent(new URL(request.url, "http://localhost").pathname.slice("/model/".length));
  const found = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "");
  const range = found === null ? undefined : [Number(found[1]), Number(found[2])];
  state.requests.push({ path, range });
  const answer = honest(state, path, range);
  await state.lie?.(answer, { path, range });
  const { status, headers, body, breakAfter } = answer;
  if (breakAfter === 0) return void response.destroy();
  response.writeHead(status, {
    "access-control-allow-origin": "*",
    "access-control-expose-headers": "etag, content-range, content-encoding",
    ...headers,
  });
  if (breakAfter === undefined) return void response.end(body);
  response.write(body.subarray(0, breakAfter));
  // Long enough for the page to have it: it is the connection that is to break, not the request.
  setTimeout(() => response.destroy(), 100);
}

function honest(state, path, range) {
  const file = state.files[path];
  if (file === undefined) return { status: 404, headers: {}, body: Buffer.alloc(0) };
  const headers = { "content-type": "application/octet-stream", etag: `"${path}-${state.version}"` };
  if (range === undefined || !state.ranges) {
    return {
      status: 200,
      headers: { ...headers, "content-length": file.size },
      body: file.read(0, file.size),
    };
  }
  const [first, last] = [range[0], Math.min(range[1], file.size - 1)];
  if (first > last) return { status: 416, headers: {}, body: Buffer.alloc(0) };
  headers["content-range"] = `bytes ${first}-${last}/${file.size}`;
  headers["content-length"] = last - first + 1;
  return { status: 206, headers, body: file.read(first, last + 1) };
}
