import type { Checkpoint } from "looplm";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { emptyHistory } from "../../model/train/history.ts";
import { FolderDouble } from "../../testing/storage-double.ts";
import { trainConfig } from "../../testing/train-fixtures.ts";
import { checkpointOf, keep, kept, type Kept, MOST_RUNS } from "./store.ts";

const config = trainConfig();
const checkpoint: Checkpoint = {
  update: 5,
  seconds: 1,
  config,
  files: { "model.safetensors": new Uint8Array([1, 2, 3]) },
};
const run = (id: string, savedAt: number): Kept => ({
  id,
  title: id,
  config,
  update: 5,
  seconds: 1,
  over: "done",
  facts: undefined,
  history: emptyHistory(),
  savedAt,
});

beforeEach(() => {
  const root = new FolderDouble();
  vi.stubGlobal("navigator", { storage: { getDirectory: () => Promise.resolve(root) } });
});
afterEach(() => vi.unstubAllGlobals());

it("keeps the newest runs, and tells which one made room", async () => {
  for (let i = 0; i < MOST_RUNS; i++) expect(await keep(run(`run ${i}`, i), checkpoint)).toEqual([]);
  // An old one that goes on is among the newest again.
  expect(await keep(run("run 0", 20), checkpoint)).toEqual([]);
  expect(await keep(run("another", 21), checkpoint)).toEqual(["run 1"]);
  expect((await kept()).map(({ id }) => id).slice(0, 2)).toEqual(["another", "run 0"]);
  expect(await kept()).toHaveLength(MOST_RUNS);
  expect(await checkpointOf("run 1")).toBeUndefined();
  expect((await checkpointOf("run 0"))?.files).toEqual(checkpoint.files);
});
