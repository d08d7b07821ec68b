// Serves the built package, the fixtures and the shipped model to a test page, and fails on request.
import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const FOLDERS = {
  "/looplm/": join(ROOT, "pkg/dist"),
  "/fixtures/": join(ROOT, "tests/fixtures"),
  "/models/": join(ROOT, "models"),
  "/in-page/": join(ROOT, "tests/browser/pkg/in-page"),
};
const TYPES = {
  ".html": "text/html",
  ".css": "text/css",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".json": "application/json",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
};

/**
 * Starts on a free port. `folders` adds to what is served: { "/app/": "/path" }.
 *
 * A path that begins with /fail/WHAT/FILE/ is served as the rest of it says, except for files named FILE:
 * 404, 500, html (200 with a page, as development servers do), cut (the connection closes in the middle),
 * short (half the file, and no word of it), slow (a KiB at a time).
 */
export async function serve(folders = {}) {
  const asked = [];
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    asked.push(pathname);
    const [, what, name, rest] = /^\/fail\/([^/]+)\/([^/]+)(\/.*)$/.exec(pathname) ?? [];
    const path = rest ?? pathname;
    if (path === "/") return page(response);
    const file = locate(decodeURIComponent(path), { ...FOLDERS, ...folders });
    if (file === undefined) return void response.writeHead(404).end();
    if (what !== undefined && path.endsWith(`/${name}`)) return fail(what, file, response);
    response.writeHead(200, {
      "content-type": file.type,
      "content-length": file.size,
      // Pages of other origins may have it, as from a CDN.
      "access-control-allow-origin": "*",
    });
    createReadStream(file.path).pipe(response);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    /** The paths asked for so far. */
    asked,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function page(response) {
  response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html><title>looplm tests</title>");
}

function locate(pathname, folders) {
  const prefix = Object.keys(folders).find((folder) => pathname.startsWith(folder));
  if (prefix === undefined) return undefined;
  const path = join(folders[prefix], normalize(`/${pathname.slice(prefix.length)}`));
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found?.isFile()) return undefined;
  return { path, size: found.size, type: TYPES[extname(path)] ?? "application/octet-stream" };
}

function fail(what, { path, size, type }, response) {
  const half = Math.floor(size / 2);
  const start = { "content-type": type, "content-length": size };
  switch (what) {
    case "404":
      return void response.writeHead(404).end("not here");
    case "500":
      return void response.writeHead(500).end("out of order");
    case "html":
      return page(response);
    case "cut":
      response.writeHead(200, start);
      createReadStream(path, { end: half - 1 }).pipe(response, { end: false });
      // Long enough for the page to have the first half: it is the connection that is to break, not the request.
      return void setTimeout(() => response.destroy(), 300);
    case "short":
      response.writeHead(200, { ...start, "content-length": half });
      return void createReadStream(path, { end: half - 1 }).pipe(response);
    case "slow": {
      response.writeHead(200, start);
      const chunks = createReadStream(path, { highWaterMark: 1024 })[Symbol.asyncIterator]();
      const next = async () => {
        const { done, value } = await chunks.next();
        if (done || response.destroyed) return void response.end();
        response.write(value);
        setTimeout(next, 20);
      };
      return void next();
    }
    default:
      return void response.writeHead(400).end(`no such failure: ${what}`);
  }
}
