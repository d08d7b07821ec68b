import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { CONVERTER_VERSION } from "./manifest.js";

test("the version of the conversion is that of the Rust side, and its fingerprint ends with it", () => {
  const rust = readFileSync(new URL("../../../crates/looplm/src/conversion/mod.rs", import.meta.url), "utf8");
  expect(/^const VERSION: u32 = (\d+);$/m.exec(rust)?.[1]).toBe(String(CONVERTER_VERSION));
  expect(rust).toMatch(/format!\("[^"]*-v\{VERSION\}"\)/);
});
