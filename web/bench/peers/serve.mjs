// The repository on a local port, cross-origin isolated: the peers' wasm has threads only then.
import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize, resolve, sep } from "node:path";

/** The root of the repository. */
export const ROOT = resolve(import.meta.dirname, "../../..");

const TYPES = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".json": "application/json",
  ".wasm": "application/wasm",
};

/** The repository's files on a free port of this machine. Nothing is kept by the browser: every load reads its files anew. */
export function serve() {
  const server = createServer((request, response) => {
    const file = normalize(join(ROOT, decodeURIComponent(new URL(request.url, "http://localhost").pathname)));
    if (!file.startsWith(ROOT + sep) || !existsSync(file) || !statSync(file).isFile()) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, {
      "content-type": TYPES[extname(file)] ?? "application/octet-stream",
      "content-length": statSync(file).size,
      "cache-control": "no-store",
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-embedder-policy": "require-corp",
      "cross-origin-resource-policy": "same-origin",
    });
    if (request.method === "HEAD") response.end();
    else createReadStream(file).pipe(response);
  });
  return new Promise((done) => server.listen(0, "localhost", () => done(server)));
}
