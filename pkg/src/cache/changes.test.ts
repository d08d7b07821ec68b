// What changes on the server after a model was kept: one file, several, or none that anyone can tell of.
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { without } from "../checks.js";
import { ASKED_AGAIN, BASE, CacheBed, expected, type Hashes } from "../testing/cache-bed.js";
import { fakeWeights } from "../testing/fake-converter.js";
import type { FakeAnswer, FakeRequest } from "../testing/fake-server.js";

let bed: CacheBed;
let first: Hashes;
beforeEach(async () => {
  bed = new CacheBed();
  first = await bed.load();
  bed.server.requests.length = 0;
  bed.converter.converted = 0;
});
afterEach(() => void vi.unstubAllGlobals());

const text = (content: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(content);

/** The requests since the last call that are not for the first byte. */
function fetched(): string[] {
  return bed.server.requests
    .splice(0)
    .filter(({ range }) => range?.[1] !== 0)
    .map(({ path }) => path);
}

/** As another weight file with the same header. */
const OTHER_WEIGHTS = fakeWeights(2100, 18);

describe("one file is another", () => {
  test("the last of the weights: its pieces are fetched, and no others", async () => {
    bed.change("b.safetensors", OTHER_WEIGHTS);
    const changed = await expected(1, "q4", { "b.safetensors": OTHER_WEIGHTS });
    expect(changed).not.toEqual(first);
    expect(await bed.load()).toEqual(changed);
    expect(bed.converter.converted).toBe(3);
    // The first time for its header.
    expect(fetched().filter((path) => path === "a.safetensors")).toHaveLength(1);
    expect(await bed.load()).toEqual(changed);
    expect(bed.converter.converted).toBe(3);
  });

  test("the last of the weights, and the load is broken off: the next goes on", async () => {
    bed.change("b.safetensors", OTHER_WEIGHTS);
    let asked = 0;
    bed.server.lie = (_, { path, range }) => {
      if (path === "b.safetensors" && (range?.[0] ?? 0) > 1000 && ++asked > 0) throw new TypeError("gone");
    };
    await expect(bed.load()).rejects.toMatchObject({ code: "network" });
    bed.server.lie = undefined;
    expect(await bed.load()).toEqual(await expected(1, "q4", { "b.safetensors": OTHER_WEIGHTS }));
    expect(bed.converter.converted).toBeLessThanOrEqual(4);
  });

  test("a weight file with another header: everything is made anew", async () => {
    const other = fakeWeights(2100, 20);
    bed.change("b.safetensors", other);
    expect(await bed.load()).toEqual(await expected(1, "q4", { "b.safetensors": other }));
  });

  test("a small file: only that is fetched, once", async () => {
    const other = text("another tokenizer");
    bed.change("tokenizer.json", other);
    const changed = await expected(1, "q4", { "tokenizer.json": other });
    expect(await bed.load()).toEqual(changed);
    expect(fetched()).toEqual(["tokenizer.json"]);
    expect(await bed.load()).toEqual(changed);
    expect(fetched()).toEqual([]);
    expect(bed.converter.converted).toBe(0);
  });

  test("a small file that was not there has come, and is gone again", async () => {
    const template = text("{{ messages }}");
    bed.change("chat_template.jinja", template);
    expect(await bed.load()).toEqual({
      ...first,
      "chat_template.jinja": (await expected(1, "q4", { "chat_template.jinja": template }))[
        "chat_template.jinja"
      ],
    });
    expect(fetched()).toEqual(["chat_template.jinja"]);
    bed.change("chat_template.jinja");
    expect(await bed.load()).toEqual(first);
    expect(bed.converter.converted).toBe(0);
  });

  test("the one that says what the weights are: planned anew, and the weights stay", async () => {
    bed.change("config.json", text(JSON.stringify({ weights: ["a.safetensors", "b.safetensors"], more: 1 })));
    expect(await bed.load()).toEqual(first);
    expect(fetched()).toContain("config.json");
    expect(await bed.load()).toEqual(first);
    expect(fetched()).toEqual([]);
    expect(bed.converter.converted).toBe(0);
  });

  test("where more room is taken than there is, the weights that are there stay", async () => {
    bed.change("config.json", text(JSON.stringify({ weights: ["a.safetensors", "b.safetensors"], more: 1 })));
    expect(await bed.load({ room: -100 })).toEqual(first);
    expect(bed.pieces()).toHaveLength(9);
  });

  test("nothing is left of what was replaced", async () => {
    const before = bed.root.files().size;
    bed.change("tokenizer.json", text("another tokenizer"));
    await bed.load();
    expect(bed.root.files().size).toBe(before);
  });
});

describe("at no moment there is neither the old nor the new", () => {
  const config = '{"weights":["a.safetensors","b.safetensors"],"more":1}';
  test.each([
    { path: "tokenizer.json", content: "another tokenizer", at: 1 },
    { path: "config.json", content: config, at: 1 },
    { path: "config.json", content: config, at: 2 },
  ])("$path, and the disk fails at write $at of the manifest", async ({ path, content, at }) => {
    bed.change(path, text(content));
    let writes = 0;
    const failing = Object.assign(/./, {
      test: (name: string) => name === "manifest.json" && ++writes === at,
    });
    bed.root.disk.failure = { name: failing, error: new DOMException("broken", "NotReadableError") };
    await expect(bed.load()).rejects.toThrow(/storage failed/);
    expect((await bed.store.list())[0]?.complete).toBe(true);
    bed.server.lie = () => {
      throw new TypeError("Failed to fetch");
    };
    expect(await bed.load()).toEqual(first);
  });
});

describe("what is kept is loaded", () => {
  type Lie = (answer: FakeAnswer, request: FakeRequest) => void;
  const gone: Lie = (answer) => void (answer.status = 404);
  const broken: Lie = (answer) => void (answer.status = 503);

  test.each([
    ["a weight file is gone", gone, "b.safetensors"],
    ["config.json is gone", gone, "config.json"],
    ["the server fails at a weight file", broken, "b.safetensors"],
    ["the server fails at a small file", broken, "tokenizer.json"],
  ])("where %s", async (_, lie, path) => {
    bed.server.lie = (answer, request) => {
      if (request.path === path) lie(answer, request);
    };
    expect(await bed.load()).toEqual(first);
    expect(fetched()).toEqual([]);
  });

  test("where a small file is another, and nobody can tell whether the weights are", async () => {
    bed.change("tokenizer.json", text("of another version"));
    bed.server.lie = (answer, { path }) => {
      if (path === "b.safetensors") answer.status = 503;
    };
    expect(await bed.load()).toEqual(first);
    bed.server.lie = undefined;
    expect((await bed.load())["tokenizer.json"]).not.toBe(first["tokenizer.json"]);
  });

  test("where the server tells no versions of small files", async () => {
    bed.server.lie = (answer, { path }) => {
      if (path.endsWith(".json")) delete answer.headers["etag"];
    };
    await bed.store.evict();
    await bed.load();
    fetched();
    expect(await bed.load()).toEqual(first);
    expect(fetched()).toEqual([]);
  });
});

test("a small file that was cut short, and nobody could tell, is found by its size the next time", async () => {
  const whole = bed.server.files.get("tokenizer.json") ?? new Uint8Array();
  await bed.store.evict();
  bed.server.lie = (answer, { path, range }) => {
    if (path !== "tokenizer.json" || range !== undefined) return;
    delete answer.headers["content-length"];
    answer.body = whole.slice(0, 4);
  };
  expect(await bed.load()).not.toEqual(first);
  bed.server.lie = undefined;
  expect(await bed.load()).toEqual(first);
  fetched();
  expect(await bed.load()).toEqual(first);
  expect(fetched()).toEqual([]);
});

describe("an entry of before there were versions of small files", () => {
  beforeEach(async () => {
    const { entry } = await bed.store.place(BASE, "q4");
    const manifest = await entry.manifest();
    if (manifest) await entry.writeManifest(without(manifest, "seen"));
  });

  test("is loaded without a connection", async () => {
    bed.server.lie = () => {
      throw new TypeError("Failed to fetch");
    };
    expect(await bed.load()).toEqual(first);
  });

  test("gets them, and keeps its weights", async () => {
    const other = text("another tokenizer");
    bed.change("tokenizer.json", other);
    const changed = await expected(1, "q4", { "tokenizer.json": other });
    expect(await bed.load()).toEqual(changed);
    expect(bed.converter.converted).toBe(0);
    bed.server.requests.length = 0;
    expect(await bed.load()).toEqual(changed);
    expect(bed.server.requests.map(({ path }) => `${path} 1`).sort()).toEqual(ASKED_AGAIN);
  });
});
