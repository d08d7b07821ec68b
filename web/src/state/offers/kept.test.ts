import { LoopLM, type CachedModel } from "looplm";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { kept, keptError, keptOf, lookAtKept, remove, room } from "./kept.ts";

vi.mock("looplm", () => ({ LoopLM: { cached: vi.fn(), evict: vi.fn() } }));

const cached = vi.mocked(LoopLM.cached);
const evict = vi.mocked(LoopLM.evict);
const model = (source: string, format: CachedModel["format"]) => ({ source, format }) as CachedModel;
const reported = vi.fn();

beforeEach(() => {
  vi.stubGlobal("document", { baseURI: "https://page.test/" });
  vi.stubGlobal("reportError", reported);
  vi.stubGlobal("navigator", { storage: { estimate: () => Promise.resolve({ quota: 10, usage: 4 }) } });
  cached.mockResolvedValue([model("hf:a/b", "q4"), model("https://page.test/m/", "q8")]);
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.resetAllMocks();
  kept.value = [];
});

it("finds what is kept by whatever name a model is asked for, in its format", async () => {
  await lookAtKept();
  expect(keptOf("hf:a/b", "q4")).toBe(kept.value[0]);
  expect(keptOf("https://huggingface.co/a/b", "q4")).toBe(kept.value[0]);
  expect(keptOf("./m", "q8")).toBe(kept.value[1]);
  expect(keptOf("./m", "q4")).toBeUndefined();
  expect(keptOf([], "q4")).toBeUndefined();
  expect(room.value).toEqual({ quota: 10, usage: 4 });
});

it("shows the page all the same where the list cannot be read or the browser has no storage", async () => {
  cached.mockRejectedValueOnce(new Error("no"));
  vi.stubGlobal("navigator", {});
  await lookAtKept();
  expect(kept.value).toEqual([]);
  expect(room.value).toBeUndefined();
  expect(reported).toHaveBeenCalledTimes(1);
});

it("removes one format of a model, or everything, and looks again", async () => {
  await remove(model("hf:a/b", "q4"));
  expect(evict).toHaveBeenCalledWith("hf:a/b", { format: "q4" });
  await remove();
  expect(evict).toHaveBeenLastCalledWith();
  expect(cached).toHaveBeenCalledTimes(2);
});

it("says why a model stays that is being loaded", async () => {
  evict.mockRejectedValueOnce(Object.assign(new Error("busy"), { code: "busy", details: {} }));
  await remove();
  expect(keptError.value?.title).toBe("It is being loaded");
  await remove();
  expect(keptError.value).toBeUndefined();
});
