import { createReadStream, existsSync, statSync } from "node:fs";
import { extname, join, normalize, resolve, sep } from "node:path";
import type { Connect, Plugin } from "vite";
import { defineConfig } from "vitest/config";
import { modelsPresent } from "./models-present.ts";

const modelsFolder = resolve(import.meta.dirname, "../models");

/** Serves the repository's models/ at ./models/ while developing; whoever serves the built page does the same. */
function serveModels(): Plugin {
  const middleware: Connect.NextHandleFunction = (request, response, next) => {
    const path = decodeURIComponent((request.url ?? "").split("?")[0] ?? "");
    const file = normalize(join(modelsFolder, path));
    if (!file.startsWith(modelsFolder + sep)) return next();
    if (!existsSync(file) || !statSync(file).isFile()) {
      response.statusCode = 404;
      return response.end("no such file");
    }
    response.setHeader(
      "content-type",
      extname(file) === ".json" ? "application/json" : "application/octet-stream",
    );
    response.setHeader("content-length", statSync(file).size);
    createReadStream(file).pipe(response);
  };
  return {
    name: "serve-models",
    configureServer: (server) => void server.middlewares.use("/models", middleware),
    configurePreviewServer: (server) => void server.middlewares.use("/models", middleware),
  };
}

// `--mode mock` is for working on the page's looks where no engine is built: it swaps the package for a test double.
// A build refuses that mode, so that nothing made up can reach a built page.
export default defineConfig(({ mode, command }) => {
  if (mode === "mock" && command === "build") throw new Error("the mock mode is for `vite dev` only");
  const alias: Record<string, string> = {};
  if (mode === "mock") alias["looplm"] = resolve(import.meta.dirname, "src/testing/looplm-double.ts");
  return {
    base: "./",
    plugins: [serveModels()],
    resolve: { alias },
    define: {
      MODELS_PRESENT: JSON.stringify(modelsPresent(modelsFolder)),
    },
    // The folder has other pages, of the benchmarks, whose dependencies are not installed here.
    optimizeDeps: { entries: ["index.html"], exclude: ["looplm"] },
    worker: { format: "es" },
    build: { target: "es2022", chunkSizeWarningLimit: 800 },
    test: { include: ["src/**/*.test.{ts,tsx}"], environment: "node" },
  };
});
