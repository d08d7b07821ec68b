import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { InternalError, toLoopLMError } from "./errors.js";
import type { AdapterInfo } from "./model-info.js";
import { wasmError } from "./testing/fake-wasm.js";

const CRATES = new URL("../../crates/", import.meta.url);

/** The bodies of a file's functions `code`: what the Rust side puts into an error's `code`. */
function bodies(source: string): string[] {
  return [...source.matchAll(/^( *)(?:pub )?fn code\(&self\) -> &'static str \{\n([\s\S]*?)\n\1\}$/gm)].map(
    ([, , body = ""]) => body,
  );
}

/** The codes such a body can return, and not those it compares with. */
function returned(body: string): string[] {
  const results = body.matchAll(/(?:=> (?:\{\s*)?|^\s*|map_or\()"([^"]*)"/gm);
  return [...results].map(([, code = ""]) => code);
}

const codes = ["looplm", "looplm-gpu", "looplm-train"].flatMap((crate) =>
  readdirSync(new URL(`${crate}/src/`, CRATES), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".rs"))
    .flatMap((path) => bodies(readFileSync(new URL(`${crate}/src/${path}`, CRATES), "utf8")))
    .flatMap(returned),
);

test("the codes of the Rust side are found", () => {
  // Of every file that has some, one.
  for (const code of ["adapter-too-small", "busy", "network", "tokenizer-invalid", "chat-template-missing"]) {
    expect(codes).toContain(code);
  }
  expect(new Set(codes).size).toBeGreaterThan(10);
});

test.each([...new Set(codes)])("%s has a class of its own here", (code) => {
  const error = toLoopLMError(wasmError(code, "message"));
  expect(error.code).toBe(code);
  expect(error instanceof InternalError).toBe(code === "internal");
});

test("the tiers of the Rust side are those of the types", () => {
  const tiers: Record<AdapterInfo["tier"], true> = { baseline: true, subgroups: true };
  const source = readFileSync(new URL("looplm-gpu/src/device.rs", CRATES), "utf8");
  const [, body = ""] = /impl Tier \{[^}]*?match self \{([^}]*)\}/.exec(source) ?? [];
  expect([...body.matchAll(/=> "(.*)"/g)].map(([, name]) => name)).toEqual(Object.keys(tiers));
});
