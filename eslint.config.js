import js from "@eslint/js";
import prettier from "eslint-config-prettier";
import globals from "globals";
import tseslint from "typescript-eslint";

export default tseslint.config(
  {
    ignores: [
      "**/dist/",
      "**/node_modules/",
      "target*/",
      "models/",
      "tests/fixtures/",
      "tests/browser/results/",
    ],
  },
  js.configs.recommended,
  tseslint.configs.recommended,
  {
    // Rules that need types: a promise nobody waits for is this code's commonest bug. Each package's tsconfig.json
    // has to include the file, tests too.
    files: ["**/*.ts", "**/*.tsx"],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/await-thenable": "error",
      "@typescript-eslint/no-floating-promises": "error",
      "@typescript-eslint/no-misused-promises": "error",
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/switch-exhaustiveness-check": "error",
    },
  },
  {
    rules: {
      eqeqeq: "error",
      "no-console": "warn",
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_" }],
    },
  },
  {
    // Node programs, and the pages of the bench: configuration, the browser tests' drivers.
    files: ["**/*.mjs", "web/bench/**/*.js", "**/*.config.js", "**/*.config.ts"],
    languageOptions: { globals: { ...globals.node, ...globals.browser } },
    rules: { "no-console": "off" },
  },
  prettier,
);
