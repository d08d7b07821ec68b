import { LoopLM, type ModelInfo } from "looplm";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { cancelOpening, open, openError, opening, openModel, replaceModel } from "./model.ts";

vi.mock("looplm", () => ({ LoopLM: { load: vi.fn() } }));

const load = vi.mocked(LoopLM.load);
const dispose = vi.fn<() => Promise<void>>();
const reported = vi.fn();

/** A model that can be opened and disposed. */
const model = (name: string, weights = 1000) =>
  ({
    info: { architecture: { steps: 4 }, memory: { weights }, task: null } as ModelInfo,
    name,
    dispose,
  }) as unknown as LoopLM;
const source = (name: string) => ({ name, from: [new File([], name)] });

beforeEach(() => {
  vi.stubGlobal("reportError", reported);
  dispose.mockResolvedValue(undefined);
});
afterEach(() => {
  vi.resetAllMocks();
  vi.unstubAllGlobals();
  cancelOpening();
  open.value = undefined;
  openError.value = undefined;
});

describe("openModel", () => {
  it("opens a model and disposes the one before it", async () => {
    load.mockResolvedValueOnce(model("first")).mockResolvedValueOnce(model("second"));
    await openModel(source("first"));
    expect(dispose).not.toHaveBeenCalled();
    await openModel(source("second"));
    expect(open.value?.source.name).toBe("second");
    expect(dispose).toHaveBeenCalledTimes(1);
    expect(opening.value).toBeUndefined();
  });

  it("keeps the open model when one that was given up turns out ready", async () => {
    load.mockResolvedValueOnce(model("first"));
    await openModel(source("first"));
    let ready = (_: LoopLM): void => undefined;
    load.mockReturnValueOnce(new Promise((resolve) => (ready = resolve)));
    const loading = openModel(source("second"));
    ready(model("second"));
    cancelOpening();
    await loading;
    expect(open.value?.source.name).toBe("first");
    expect(dispose).toHaveBeenCalledTimes(1);
    expect(dispose.mock.contexts[0]).toMatchObject({ name: "second" });
    expect(opening.value).toBeUndefined();
    expect(openError.value).toBeUndefined();
  });

  it("says why it could not, and keeps the open model", async () => {
    load.mockResolvedValueOnce(model("first"));
    await openModel(source("first"));
    load.mockRejectedValueOnce(Object.assign(new Error("no"), { code: "network", details: {} }));
    await openModel(source("second"));
    expect(open.value?.source.name).toBe("first");
    expect(openError.value).toMatchObject({ code: "network", source: { name: "second" } });
  });

  it("does not call trouble with closing the old model a failure to open the new one", async () => {
    load.mockResolvedValueOnce(model("first")).mockResolvedValueOnce(model("second"));
    await openModel(source("first"));
    const trouble = Object.assign(new Error("gone"), { code: "device-lost", details: {} });
    dispose.mockRejectedValueOnce(trouble);
    await openModel(source("second"));
    expect(open.value?.source.name).toBe("second");
    expect(openError.value).toBeUndefined();
    expect(reported).toHaveBeenCalledWith(trouble);
  });
});

it("closes a large model before it opens the next, since few GPUs hold two", async () => {
  load.mockResolvedValueOnce(model("first", 2 ** 30));
  await openModel(source("first"));
  load.mockImplementationOnce(() => {
    expect(dispose).toHaveBeenCalledTimes(1);
    return Promise.resolve(model("second"));
  });
  await openModel(source("second"));
  expect(open.value?.source.name).toBe("second");
});

it("loads as the source says, and tells whether something had to be downloaded", async () => {
  load.mockImplementationOnce((_, options) => {
    expect(options).toMatchObject({ format: "q4", kv: "f16", contextLength: 2048, cache: true });
    options?.onProgress?.({ phase: "download", loaded: 1, total: 2 });
    expect(opening.value).toMatchObject({ downloads: true, progress: { loaded: 1 } });
    options?.onProgress?.({ phase: "weights", loaded: 0, total: 2 });
    expect(opening.value?.downloads).toBe(true);
    return Promise.resolve(model("large"));
  });
  await openModel({
    name: "large",
    from: "hf:a/b",
    held: { format: "q4", kv: "f16", context: 2048 },
    keeps: true,
  });
  expect(open.value?.source.name).toBe("large");
});

describe("replaceModel", () => {
  it("opens the new model whatever becomes of the old one", async () => {
    load.mockResolvedValueOnce(model("first")).mockResolvedValueOnce(model("second"));
    await openModel(source("first"));
    dispose.mockRejectedValueOnce(new Error("gone"));
    await replaceModel(source("second"));
    expect(open.value?.source.name).toBe("second");
    expect(reported).toHaveBeenCalledTimes(1);
  });
});
