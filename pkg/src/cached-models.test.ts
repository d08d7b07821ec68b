// LoopLM.cached and LoopLM.evict over a browser's storage.
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { LoopLM } from "./loop-lm.js";
import { BASE, CacheBed } from "./testing/cache-bed.js";

let bed: CacheBed;
beforeEach(() => {
  bed = new CacheBed();
  vi.stubGlobal("navigator", { storage: { getDirectory: async () => bed.root }, locks: bed.locks });
  vi.stubGlobal(
    "FileSystemFileHandle",
    class {
      createWritable(): void {}
    },
  );
});
afterEach(() => void vi.unstubAllGlobals());

test("a model is listed by what it can be loaded and evicted with", async () => {
  expect(await LoopLM.cached()).toEqual([]);
  await bed.load({ format: "q4" });
  await bed.load({ format: "q8" });
  const models = await LoopLM.cached();
  expect(models).toHaveLength(2);
  for (const model of models) expect(model).toMatchObject({ source: BASE, complete: true, progress: 1 });
  expect(await LoopLM.evict(BASE.slice(0, -1), { format: "q4" })).toBe(
    models.find(({ format }) => format === "q4")?.bytes,
  );
  expect((await LoopLM.cached()).map(({ format }) => format)).toEqual(["q8"]);
  expect(await LoopLM.evict("hf:a/b")).toBe(0);
  expect(await LoopLM.evict()).toBeGreaterThan(0);
  expect(await LoopLM.cached()).toEqual([]);
});

test("one of huggingface.co by its short name", async () => {
  const base = "https://huggingface.co/a/b/resolve/main/";
  bed = new CacheBed(base);
  await bed.load({ base });
  expect((await LoopLM.cached())[0]?.source).toBe("hf:a/b");
  expect(await LoopLM.evict("https://huggingface.co/a/b")).toBeGreaterThan(0);
});

test("only a call without any argument removes everything: one that was given nothing says so", async () => {
  await bed.load();
  for (const source of [undefined, null, {}]) {
    await expect(LoopLM.evict(source as unknown as string)).rejects.toMatchObject({
      code: "invalid-argument",
      message: expect.stringContaining("LoopLM.evict() without arguments removes all"),
      details: { argument: "source" },
    });
  }
  await expect(LoopLM.evict(undefined as unknown as string, { format: "stored" })).rejects.toThrow(/source/);
  expect(await LoopLM.cached()).toHaveLength(1);
});

test("wrong options are errors", async () => {
  await expect(LoopLM.evict(BASE, { format: "q5" } as object)).rejects.toMatchObject({
    code: "invalid-argument",
  });
  await expect(LoopLM.evict("hf:nobody")).rejects.toMatchObject({ code: "invalid-argument" });
});

test.each([
  ["without storage", (): unknown => vi.stubGlobal("navigator", {})],
  ["without locks", (): unknown => vi.stubGlobal("navigator", { storage: navigator.storage })],
  ["with storage that cannot be written", (): unknown => vi.stubGlobal("FileSystemFileHandle", class {})],
  [
    "with storage that is refused",
    (): unknown => {
      const getDirectory = (): Promise<never> => Promise.reject(new DOMException("no", "SecurityError"));
      return vi.stubGlobal("navigator", { storage: { getDirectory }, locks: bed.locks });
    },
  ],
])("%s there is nothing to list and nothing to evict", async (_, refuse) => {
  await bed.load();
  refuse();
  expect(await LoopLM.cached()).toEqual([]);
  expect(await LoopLM.evict()).toBe(0);
});
