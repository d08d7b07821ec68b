import { describe, expect, test } from "vitest";
import { huggingFaceFolder, isPinned, shortSource } from "./hugging-face.js";

const COMMIT = "0123456789abcdef0123456789abcdef01234567";

describe("a model of huggingface.co", () => {
  test.each([
    ["hf:ByteDance/Ouro-1.4B", "ByteDance/Ouro-1.4B/resolve/main/"],
    ["hf:ByteDance/Ouro-1.4B@v2", "ByteDance/Ouro-1.4B/resolve/v2/"],
    ["hf:a/b@refs/pr/1", "a/b/resolve/refs%2Fpr%2F1/"],
    ["https://huggingface.co/ByteDance/Ouro-1.4B", "ByteDance/Ouro-1.4B/resolve/main/"],
    ["https://huggingface.co/ByteDance/Ouro-1.4B/", "ByteDance/Ouro-1.4B/resolve/main/"],
    ["https://huggingface.co/ByteDance/Ouro-1.4B/tree/main", "ByteDance/Ouro-1.4B/resolve/main/"],
    ["https://huggingface.co/a/b/tree/refs%2Fpr%2F1?x=y#z", "a/b/resolve/refs%2Fpr%2F1/"],
    ["huggingface.co/ByteDance/Ouro-1.4B", "ByteDance/Ouro-1.4B/resolve/main/"],
    ["https://hf.co/a/b", "a/b/resolve/main/"],
  ])("%s", (source, path) => {
    expect(huggingFaceFolder(source)).toBe(`https://huggingface.co/${path}`);
  });

  test.each([
    "/models/shell-game/",
    "https://models.test/a/b",
    // Folders already.
    "https://huggingface.co/a/b/resolve/main/",
    "https://huggingface.co/datasets/b",
    "https://huggingface.co.evil.test/a/b",
  ])("%s is none", (source) => {
    expect(huggingFaceFolder(source)).toBeUndefined();
  });

  test.each(["hf:", "hf:Ouro", "hf:a/b/c", "hf:a/../b", "hf:a/b@", "hf:a b/c"])("%s is wrong", (source) => {
    expect(() => huggingFaceFolder(source)).toThrow(
      expect.objectContaining({ code: "invalid-argument", details: { argument: "source" } }) as Error,
    );
  });
});

test.each(["hf:a/b", "hf:a/b@v2", "hf:a/b@refs/pr/1"])("%s there and back", (source) => {
  expect(shortSource(huggingFaceFolder(source) ?? "")).toBe(source);
});

test("other addresses have no short form", () => {
  expect(shortSource("https://models.test/a/b/")).toBe("https://models.test/a/b/");
});

test("a commit is pinned, a branch is not", () => {
  expect(isPinned(huggingFaceFolder(`hf:a/b@${COMMIT}`) ?? "")).toBe(true);
  expect(isPinned(huggingFaceFolder("hf:a/b") ?? "")).toBe(false);
  expect(isPinned(`https://models.test/a/b/resolve/${COMMIT}/`)).toBe(false);
});
