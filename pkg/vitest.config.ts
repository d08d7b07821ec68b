import { defineConfig } from "vitest/config";

export default defineConfig({
  // The generated module exists in dist/ only, after `cargo xtask build`.
  resolve: { alias: [{ find: /^\.\/wasm\/looplm\.js$/, replacement: "/src/testing/wasm-glue.ts" }] },
  test: { include: ["src/**/*.test.ts", "tests/**/*.test.mjs"] },
});
