import { type CachedModel, LoopLM } from "looplm";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { PUBLISHED } from "../../model/offers/catalogue.ts";
import { offers, own } from "./offers.ts";
import { show, view } from "../route.ts";
import { dropError, openAddress, openDropped, openFolder, openKept, pointedAt } from "./own.ts";

vi.mock("../route.ts", () => ({ show: vi.fn(), view: { value: "watch" } }));
vi.mock("looplm", () => ({ LoopLM: { load: vi.fn(() => new Promise(() => undefined)) } }));

const load = vi.mocked(LoopLM.load);
const LARGE = {
  num_hidden_layers: 24,
  hidden_size: 2048,
  intermediate_size: 5632,
  num_attention_heads: 16,
  vocab_size: 49_152,
};
const SMALL = { ...LARGE, num_hidden_layers: 1, hidden_size: 64, intermediate_size: 64, vocab_size: 100 };

/** What the server at every address answers. */
const server = vi.fn<(url: string) => Promise<Response>>();

beforeEach(() => {
  vi.stubGlobal("document", { baseURI: "https://page.test/" });
  vi.stubGlobal("fetch", server);
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.clearAllMocks();
  own.value = [];
  pointedAt.value = undefined;
  dropError.value = undefined;
  view.value = "watch";
});

describe("an address", () => {
  it("of a large model becomes an offer, and loads nothing yet", async () => {
    server.mockResolvedValue(Response.json(LARGE));
    await openAddress("hf:a/large");
    expect(server.mock.calls[0]?.[0]).toBe("https://huggingface.co/a/large/resolve/main/config.json");
    expect(own.value).toMatchObject([{ name: "large", from: "hf:a/large", shape: { layers: 24 } }]);
    expect(pointedAt.value).toBe("hf:a/large");
    expect(load).not.toHaveBeenCalled();
    await openAddress("https://huggingface.co/a/large");
    expect(own.value).toHaveLength(1);
  });

  it.each([
    ["of a small model", () => Promise.resolve(Response.json(SMALL))],
    ["that does not answer", () => Promise.reject(new TypeError("no route"))],
    ["with nothing there", () => Promise.resolve(new Response("not here", { status: 404 }))],
    ["of a page", () => Promise.resolve(new Response("<!doctype html>"))],
  ])("%s is opened at once, and the engine says what is wrong", async (_, answer) => {
    server.mockImplementation(answer);
    void openAddress("https://models.test/m");
    await vi.waitFor(() => expect(load).toHaveBeenCalledTimes(1));
    expect(load.mock.calls[0]?.[0]).toBe("https://models.test/m/");
    expect(own.value).toEqual([]);
  });

  it("of a model that has a card leads to the card", async () => {
    const [known] = PUBLISHED;
    await openAddress(known!.page);
    expect(pointedAt.value).toBe(known!.from);
    expect(server).not.toHaveBeenCalled();
  });
});

describe("a folder", () => {
  const folder = (config: unknown) => {
    const file = new File([JSON.stringify(config)], "config.json");
    return [Object.assign(file, { webkitRelativePath: "mine/config.json" })];
  };
  it("of a large model becomes an offer", async () => {
    await openFolder(folder(LARGE));
    expect(own.value).toMatchObject([{ name: "mine", kind: "own", shape: { layers: 24 } }]);
    expect(load).not.toHaveBeenCalled();
  });
  it("of anything else is opened at once", async () => {
    void openFolder(folder("no configuration"));
    await vi.waitFor(() => expect(load).toHaveBeenCalledTimes(1));
  });
});

describe("what is kept", () => {
  it.each(["hf:ByteDance/Ouro-1.4B", "https://models.test/mine/"])(
    "of %s loads as it is, and its card shows how that goes",
    async (source) => {
      void openKept({ source, format: "q8" } as CachedModel);
      await vi.waitFor(() => expect(load).toHaveBeenCalledTimes(1));
      expect(load.mock.calls[0]).toMatchObject([source, { format: "q8", cache: true }]);
      expect(pointedAt.value).toBe(source);
      expect(offers().find(({ id }) => id === source)?.name).toMatch(/^(Ouro-1.4B|mine)$/);
    },
  );
});

describe("what is dropped", () => {
  const fileEntry = (fullPath: string, text = "") => ({
    isFile: true,
    fullPath,
    file: (done: (file: File) => void) => done(new File([text], fullPath.split("/").at(-1)!)),
  });
  /** A folder that is handed out in one portion; one without entries cannot be read. */
  const folderEntry = (fullPath: string, entries?: object[]) => ({
    isFile: false,
    fullPath,
    createReader: () => {
      const portions = [entries, []];
      return {
        readEntries: (done: (portion?: object[]) => void, fail: (error: Error) => void) =>
          entries ? done(portions.shift()) : fail(new DOMException("no", "NotReadableError")),
      };
    },
  });
  const dropped = (...entries: object[]) =>
    ({
      items: entries.map((entry) => ({ webkitGetAsEntry: () => entry })),
      files: [],
    }) as unknown as DataTransfer;

  it("keeps its paths, so that the model has the folder's name and its own configuration", async () => {
    const inner = folderEntry("/mine/adapter", [
      fileEntry("/mine/adapter/config.json", JSON.stringify(SMALL)),
    ]);
    await openDropped(
      dropped(folderEntry("/mine", [inner, fileEntry("/mine/config.json", JSON.stringify(LARGE))])),
    );
    expect(own.value).toMatchObject([{ name: "mine", shape: { layers: 24 } }]);
    const files = own.value[0]!.from as File[];
    expect(files.map((file) => file.webkitRelativePath)).toEqual([
      "mine/adapter/config.json",
      "mine/config.json",
    ]);
  });

  it("opens where that can be seen", async () => {
    view.value = "train";
    void openDropped(dropped(folderEntry("/tiny", [fileEntry("/tiny/config.json", JSON.stringify(SMALL))])));
    await vi.waitFor(() => expect(load).toHaveBeenCalledTimes(1));
    expect(show).toHaveBeenCalledWith("models");
  });

  it.each([
    ["cannot be read", folderEntry("/mine"), "folder-unreadable"],
    ["is empty", folderEntry("/mine", []), "checkpoint-invalid"],
  ])("is explained where it %s", async (_, entry, code) => {
    await openDropped(dropped(entry));
    expect(dropError.value?.code).toBe(code);
    expect(show).toHaveBeenCalledWith("models");
    expect(load).not.toHaveBeenCalled();
  });
});
