import { describe, expect, it } from "vitest";
import { errorCode, explain } from "./errors.ts";

const thrown = (code: string, details: object = {}) =>
  Object.assign(new Error("the engine's words"), { code, details });

// Every code the package can throw, from its own list.
const CODES = [
  "webgpu-unavailable",
  "adapter-too-small",
  "out-of-memory",
  "device-lost",
  "checkpoint-invalid",
  "tokenizer-invalid",
  "tokenizer-missing",
  "chat-template-missing",
  "context-full",
  "aborted",
  "network",
  "invalid-argument",
  "disposed",
];

describe("explain", () => {
  it.each(CODES)("has words of its own for %s", (code) => {
    const said = explain(thrown(code));
    expect(said.code).toBe(code);
    expect(said.title).not.toBe(explain(thrown("internal")).title);
    expect(said.advice).toMatch(/\.$/);
    expect(said.message).toBe("the engine's words");
    expect(said.title + said.advice).not.toMatch(/undefined|null|\[object/);
  });
  it("says what would fit where there is too little memory", () => {
    const suggestion = { format: "q4", contextLength: 2048 };
    const said = explain(thrown("out-of-memory", { needed: 2 ** 30, suggestion }));
    expect(said.advice).toContain("1 GiB more were needed. What fits: 4 bits and 2,048 tokens of context.");
    expect(said.suggestion).toEqual(suggestion);
    for (const nonsense of [{}, { format: "q5", contextLength: -1 }, "q4", null])
      expect(explain(thrown("out-of-memory", { suggestion: nonsense })).suggestion).toBeUndefined();
  });
  it("says how to go on where a text, or a conversation, is too long", () => {
    const full = thrown("context-full", { limit: 2048, needed: 2300 });
    expect(explain(full).advice).toBe(
      "There is room for 2,048 tokens, and it came to 2,300. Shorten the prompt.",
    );
    expect(explain(full).room).toEqual({ limit: 2048, needed: 2300 });
    expect(explain(full, true).title).toContain("conversation");
    expect(explain(full, true).advice).toMatch(/came to 2,300\. Start over: .* what you typed stays\.$/);
  });
  it("says which address was not found", () => {
    const said = explain(thrown("network", { url: "https://example.org/m/config.json", status: 404 }));
    expect(said.advice).toContain("https://example.org/m/config.json");
    expect(said.advice).toContain("404");
  });
  it.each([401, 403, 404])("says what Hugging Face may mean by status %i", (status) => {
    const url = "https://huggingface.co/a/b/resolve/main/config.json";
    const said = explain(thrown("network", { url, status }));
    expect(said.advice).toMatch(
      new RegExp(`${status}.*no such model.*private.*licence.*download its folder`),
    );
    expect(explain(thrown("network", { url: "https://example.org/m/", status })).advice).not.toContain(
      "licence",
    );
    expect(explain(thrown("network", { url, status: 500 })).advice).not.toContain("licence");
  });
  it("says where in a checkpoint the trouble is", () => {
    const said = explain(
      thrown("checkpoint-invalid", {
        file: "model.safetensors",
        tensor: "model.norm.weight",
        expected: [64],
        found: [32],
      }),
    );
    expect(said.advice).toContain("model.safetensors, model.norm.weight");
    expect(said.advice).toContain("Expected [64], found [32]");
  });
  it("tells a folder that is no model from one that lacks a file", () => {
    const nothing = explain(
      thrown("checkpoint-invalid", { kind: "not-a-model-folder", found: "https://example.org/m/" }),
    );
    expect(nothing.title).toBe("There is no model here");
    expect(nothing.advice).toContain("https://example.org/m/ has no config.json");
    const lacking = explain(
      thrown("checkpoint-invalid", { kind: "missing-file", file: "model.safetensors" }),
    );
    expect(lacking.title).toBe("A file of the model is missing");
    expect(lacking.advice).toContain("model.safetensors is not there");
  });
  it("says what is needed and what there is", () => {
    const said = explain(thrown("adapter-too-small", { needed: 256 * 2 ** 20, offered: 128 * 2 ** 20 }));
    expect(said.advice).toContain("256 MiB");
    expect(said.advice).toContain("128 MiB");
  });
  it("says what an address looks like", () => {
    expect(explain(thrown("invalid-argument", { argument: "source" })).advice).toContain(
      "hf:organisation/name",
    );
    expect(explain(thrown("invalid-argument", { argument: "steps" })).advice).toContain("“steps”");
  });
  it("survives whatever is thrown", () => {
    expect(explain("just text").message).toBe("just text");
    expect(explain(undefined).code).toBe("internal");
    expect(errorCode(null)).toBe("internal");
  });
});
