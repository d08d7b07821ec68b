import { defineConfig } from "vitest/config";

export default defineConfig({
  // The generated modules exist in dist/ only, after `cargo xtask build`.
  resolve: {
    alias: [{ find: /^\.\.?\/wasm\/looplm(_chat|_train)?\.js$/, replacement: "/src/testing/wasm-glue.ts" }],
  },
  // Some tests run npm, which takes its time on a busy machine.
  // Those in tests/built/ are of what `cargo xtask build` makes, and run after it.
  test: { include: ["src/**/*.test.ts", "tests/*.test.mjs"], testTimeout: 60_000, hookTimeout: 120_000 },
});
