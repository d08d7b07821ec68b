import { beforeEach, describe, expect, test } from "vitest";
import { FakeDirectory } from "../testing/fake-directory.js";
import { FakeLocks } from "../testing/fake-locks.js";
import type { ConversionPlan } from "./converter.js";
import type { CacheEntry } from "./entry.js";
import { ModelStore } from "./store.js";

const ADDRESS = "https://huggingface.co/a/b/resolve/main/";
const OTHER = "https://models.test/m/";

const piece = (offset: number): ConversionPlan["pieces"][number] => ({
  source: { file: 0, offset, bytes: 30 },
  targets: [
    { file: 0, offset, bytes: 20 },
    { file: 0, offset: 100 + offset, bytes: 4 },
  ],
});
const PLAN: ConversionPlan = {
  fingerprint: "q4-v1",
  sources: ["model.safetensors"],
  files: [{ path: "model.safetensors", bytes: 1000 }],
  smallFiles: [],
  texts: [],
  pieces: [piece(10), piece(40)],
};

let root: FakeDirectory;
let locks: FakeLocks;
let store: ModelStore;
beforeEach(() => {
  root = new FakeDirectory();
  locks = new FakeLocks();
  store = new ModelStore({ root, locks });
});

/** An entry with a manifest and some of its two pieces. */
async function keep(address: string, format: "q4" | "q8", pieces: number): Promise<CacheEntry> {
  const { entry } = await store.place(address, format);
  const config = await entry.keepFile("config.json", new TextEncoder().encode("{}"));
  const kept = [];
  for (let i = 0; i < pieces; i++) kept.push(await entry.keepPiece(i, new Uint8Array(24).fill(i)));
  await entry.writeManifest({
    address,
    format,
    plan: PLAN,
    versions: [{ etag: '"1"' }],
    smallFiles: [config],
    heads: [],
    created: 1000,
    ...(pieces === 2 ? { hashes: kept.map(({ sha256 }) => sha256) } : {}),
  });
  return entry;
}

describe("list", () => {
  test("nothing", async () => {
    expect(await store.list()).toEqual([]);
  });

  test("how much of each is there, last used first", async () => {
    await keep(ADDRESS, "q4", 1);
    await (await keep(OTHER, "q8", 2)).touch();
    const [first, second] = await store.list();
    expect(first).toMatchObject({ source: OTHER, format: "q8", complete: true, progress: 1 });
    expect(first?.lastUsed.getTime()).toBeGreaterThan(1e12);
    expect(second).toMatchObject({ source: "hf:a/b", format: "q4", complete: false, progress: 0.5 });
    expect(second?.created).toEqual(new Date(1000));
    expect(second?.lastUsed).toEqual(new Date(1000));
  });

  test("bytes are those on the disk", async () => {
    await keep(ADDRESS, "q4", 2);
    expect((await store.list())[0]?.bytes).toBe(root.disk.used);
  });

  test("a file that a closed tab has only begun is no piece", async () => {
    const entry = await keep(ADDRESS, "q4", 2);
    const [path] = [...root.files().keys()].filter((path) => /pieces\/1-/.test(path));
    const file = root.files().get(path ?? "");
    if (file) file.content = new Uint8Array();
    expect([...(await entry.pieces(PLAN.pieces)).keys()]).toEqual([0]);
    expect((await store.list())[0]).toMatchObject({ complete: false, progress: 0.5 });
  });

  test("a damaged manifest is no entry", async () => {
    await keep(ADDRESS, "q4", 2);
    for (const [path, file] of root.files()) {
      if (path.endsWith("manifest.json"))
        file.content = file.content.map((byte) => (byte === 52 ? 53 : byte));
    }
    expect(await store.list()).toEqual([]);
  });
});

describe("evict", () => {
  beforeEach(async () => {
    await keep(ADDRESS, "q4", 1);
    await keep(ADDRESS, "q8", 2);
    await keep(OTHER, "q4", 2);
  });

  test("one model in one format", async () => {
    const before = root.disk.used;
    const freed = await store.evict(ADDRESS, "q8");
    expect(freed).toBe(before - root.disk.used);
    expect(freed).toBeGreaterThan(48);
    expect((await store.list()).map(({ source, format }) => [source, format])).toEqual(
      expect.arrayContaining([
        ["hf:a/b", "q4"],
        [OTHER, "q4"],
      ]),
    );
  });

  test("one model in all formats", async () => {
    await store.evict(ADDRESS);
    expect((await store.list()).map(({ source }) => source)).toEqual([OTHER]);
  });

  test("everything, also what nobody can read", async () => {
    for (const [path, file] of root.files()) {
      if (path.endsWith("manifest.json")) file.content = new Uint8Array();
    }
    await store.evict();
    expect(root.files().size).toBe(0);
  });

  test("nothing of that name", async () => {
    expect(await store.evict("https://models.test/other/")).toBe(0);
    expect(await store.list()).toHaveLength(3);
  });

  test("not while it is loaded: says so, and removes the others", async () => {
    const { lock } = await store.place(ADDRESS, "q4");
    let loaded = (): void => undefined;
    const loading = lock.reading(
      () => new Promise<void>((resolve) => (loaded = resolve)),
      new AbortController().signal,
    );
    await expect(store.evict()).rejects.toMatchObject({ code: "busy" });
    expect((await store.list()).map(({ source, format }) => [source, format])).toEqual([["hf:a/b", "q4"]]);
    loaded();
    await loading;
    expect(await store.evict()).toBeGreaterThan(0);
    expect(await store.list()).toEqual([]);
  });
});
