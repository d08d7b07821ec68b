import { LoopLM } from "looplm";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { PUBLISHED } from "../../model/offers/catalogue.ts";
import { own } from "./offers.ts";
import { openAddress, openFolder, pointedAt } from "./own.ts";

vi.mock("../route.ts", () => ({ show: vi.fn() }));
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
