import { defineConfig } from "vitest/config";

export default defineConfig({
  // The generated module exists in dist/ only, after `cargo xtask build`.
  resolve: { alias: [{ find: /^\.\/wasm\/looplm\.js$/, replacement: "/src/testing/wasm-glue.ts" }] },
  // Some tests run npm, which takes its time on a busy machine.
  test: { include: ["src/**/*.test.ts", "tests/**/*.test.mjs"], testTimeout: 60_000, hookTimeout: 120_000 },
});
