import { afterEach, expect, test, vi } from "vitest";
import type { LoadProgress } from "../types.js";
import { askingToPersist } from "./persist.js";

afterEach(() => void vi.unstubAllGlobals());

const download = (loaded: number, total: number): LoadProgress => ({ phase: "download", loaded, total });

test("asks once, when a large download has begun, and passes everything on", () => {
  const persist = vi.fn(() => Promise.reject(new Error("no")));
  vi.stubGlobal("navigator", { storage: { persist } });
  const seen: LoadProgress[] = [];
  const report = askingToPersist((progress) => seen.push(progress));
  const all = [
    download(0, 0),
    download(0, 1e6),
    { phase: "weights", loaded: 0, total: 1e9 } as const,
    download(0, 1e9),
    download(1, 1e9),
  ];
  all.slice(0, 3).forEach(report);
  expect(persist).not.toHaveBeenCalled();
  all.slice(3).forEach(report);
  expect(persist).toHaveBeenCalledTimes(1);
  expect(seen).toEqual(all);
});

test("where nobody can be asked, nobody is", () => {
  for (const navigator of [{}, { storage: {} }]) {
    vi.stubGlobal("navigator", navigator);
    askingToPersist()(download(0, 1e9));
  }
});
