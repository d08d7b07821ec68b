import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { ASKED_AGAIN, BASE, CacheBed, expected, hashes, type Hashes } from "../testing/cache-bed.js";
import type { FakeFile } from "../testing/fake-directory.js";
import { wasmError } from "../testing/fake-wasm.js";
import type { LoadProgress, WeightFormat } from "../types.js";
import type { FileSource } from "../wasm/looplm.js";
import { Uncacheable } from "./load.js";

let bed: CacheBed;
beforeEach(() => void (bed = new CacheBed()));
afterEach(() => void vi.unstubAllGlobals());

/** The requests since the last call, with the range's length. */
function requests(): string[] {
  return bed.server.requests
    .splice(0)
    .map(({ path, range }) => (range === undefined ? path : `${path} ${range[1] - range[0] + 1}`));
}

describe.each<WeightFormat>(["stored", "q4"])("%s", (format) => {
  test("the first load fetches every byte once, the second a byte of each", async () => {
    expect(await bed.load({ format })).toEqual(await expected(1, format));
    const asked = requests();
    expect(asked.filter((request) => / 1000$/.test(request))).toHaveLength(7);
    expect(asked.filter((request) => / (300|100)$/.test(request))).toHaveLength(2);
    expect(bed.converter.converted).toBe(9);
    expect(bed.converter.open).toBe(0);

    expect(await bed.load({ format })).toEqual(await expected(1, format));
    expect(requests().sort()).toEqual(ASKED_AGAIN);
    expect(bed.converter.converted).toBe(9);
  });
});

test("asks three things at a time", async () => {
  await bed.load();
  expect(bed.server.mostOpen).toBe(3);
});

test("without a connection, what is kept is loaded", async () => {
  const first = await bed.load();
  bed.server.lie = () => {
    throw new TypeError("Failed to fetch");
  };
  expect(await bed.load()).toEqual(first);
});

test.each([401, 404, 503])("HTTP %i where the model was: what is kept is loaded", async (status) => {
  const first = await bed.load();
  bed.server.lie = (answer) => void (answer.status = status);
  expect(await bed.load()).toEqual(first);
});

test("another version on the server takes the place of the one that is kept", async () => {
  await bed.load();
  bed.publish(2);
  expect(await bed.load()).toEqual(await expected(2));
  expect(bed.pieces()).toHaveLength(9);
  expect(await bed.store.list()).toHaveLength(1);
});

test("a load by another version of the converter does not go on with what an earlier one has begun", async () => {
  const abort = new AbortController();
  await expect(bed.load({ signal: abort.signal, report: abortAt(abort, 3000) })).rejects.toBeDefined();
  bed.converter.version = 2;
  bed.converter.converted = 0;
  await bed.load();
  expect(bed.converter.converted).toBe(9);
});

test("what another version of the converter has made is made anew", async () => {
  bed.converter.version = 0;
  await bed.load();
  bed.converter.version = 1;
  bed.converter.converted = 0;
  expect(await bed.load()).toEqual(await expected());
  expect(bed.converter.converted).toBe(9);
});

/** Fires when a download has come so far. */
function abortAt(abort: AbortController, bytes: number): (progress: LoadProgress) => void {
  return ({ phase, loaded }) => {
    if (phase === "download" && loaded >= bytes) abort.abort();
  };
}

describe("a download that is broken off", () => {
  test.each([1, 1000, 2500, 4000, 7399])("by a signal after %i bytes goes on from there", async (bytes) => {
    vi.spyOn(performance, "now").mockImplementation(advancing());
    const abort = new AbortController();
    const loading = bed.load({ signal: abort.signal, report: abortAt(abort, bytes) });
    await expect(loading).rejects.toMatchObject({ name: "AbortError" });
    expect(bed.locks.held).toBe(0);
    const kept = bed.pieces().length;
    expect(kept).toBeLessThan(9);
    expect(kept).toBeGreaterThanOrEqual(Math.floor(bytes / 1000) - 3);
    const [model] = await bed.store.list();
    expect(model?.complete ?? false).toBe(false);
    bed.converter.converted = 0;
    const seen: LoadProgress[] = [];
    expect(await bed.load({ report: (progress) => seen.push(progress) })).toEqual(await expected());
    expect(bed.converter.converted).toBe(9 - kept);
    const counted = seen.filter(({ total }) => total > 0).map(({ loaded }) => loaded);
    expect(counted[0]).toBeGreaterThanOrEqual(Math.max(0, kept - 2) * 1000);
    expect(counted.at(-1)).toBe(7400);
    vi.restoreAllMocks();
  });

  test("by a server that goes away is an error, and goes on from there", async () => {
    let answers = 0;
    bed.server.lie = () => {
      if (++answers > 9) throw new TypeError("Failed to fetch");
    };
    await expect(bed.load()).rejects.toMatchObject({ code: "network" });
    bed.server.lie = undefined;
    const kept = bed.pieces().length;
    expect(kept).toBeGreaterThan(0);
    bed.converter.converted = 0;
    expect(await bed.load()).toEqual(await expected());
    expect(bed.converter.converted).toBe(9 - kept);
  });

  test("and changed on the server since, begins anew", async () => {
    const abort = new AbortController();
    await expect(bed.load({ signal: abort.signal, report: abortAt(abort, 4000) })).rejects.toBeDefined();
    bed.publish(2);
    bed.converter.converted = 0;
    expect(await bed.load()).toEqual(await expected(2));
    expect(bed.converter.converted).toBe(9);
  });
});

/** A clock that gives a later time at every look, so that every report is made. */
function advancing(): () => number {
  let now = 0;
  return () => (now += 1000);
}

describe("a damaged entry", () => {
  test.each([0, 4, 8])("piece %i with a changed byte: only that is fetched", async (index) => {
    const first = await bed.load();
    requests();
    const file = bed.pieces()[index];
    if (file) file.content[20] = (file.content[20] ?? 0) ^ 1;
    bed.converter.converted = 0;
    expect(await bed.load()).toEqual(first);
    expect(bed.converter.converted).toBe(1);
    expect(requests().filter((request) => request.endsWith("0"))).toHaveLength(1);
  });

  test("several at once are found and fetched together", async () => {
    const first = await bed.load();
    for (const file of bed.pieces().slice(2, 6)) file.content[0] = (file.content[0] ?? 0) ^ 1;
    bed.converter.converted = 0;
    let loads = 0;
    const counted = (source: FileSource): Promise<Hashes> => {
      loads++;
      return hashes(source);
    };
    expect(await bed.load({ load: counted })).toEqual(first);
    expect([bed.converter.converted, loads]).toEqual([4, 2]);
  });

  test.each([
    ["cut short", (file: FakeFile) => (file.content = file.content.slice(0, 10))],
    ["empty", (file: FakeFile) => (file.content = new Uint8Array())],
  ])("a piece %s", async (_, damage) => {
    const first = await bed.load();
    const file = bed.pieces()[3];
    if (file) damage(file);
    bed.converter.converted = 0;
    expect(await bed.load()).toEqual(first);
    expect(bed.converter.converted).toBe(1);
  });

  test("that is damaged again whenever it was mended is given up", async () => {
    await bed.load();
    const damaging = (source: FileSource): Promise<Hashes> => {
      const [file] = bed.pieces();
      if (file) file.content[0] = (file.content[0] ?? 0) ^ 1;
      return hashes(source);
    };
    await expect(bed.load({ load: damaging })).rejects.toThrow(/is damaged again and again/);
  });

  test("two pieces in each other's place", async () => {
    const first = await bed.load();
    const [one, other] = bed.pieces();
    if (one && other) [one.content, other.content] = [other.content, one.content];
    expect(await bed.load()).toEqual(first);
  });

  test.each(["files/", "manifest.json"])("%s", async (name) => {
    const first = await bed.load();
    for (const [path, file] of bed.root.files()) {
      if (path.includes(name)) file.content[3] = (file.content[3] ?? 0) ^ 1;
    }
    expect(await bed.load()).toEqual(first);
  });

  test("a piece that the server no longer gives as it was: all is fetched anew", async () => {
    await bed.load();
    // The same tag for another file: the server is wrong, and only the hash shows it.
    bed.publish(2);
    bed.server.version = 1;
    const [file] = bed.pieces();
    if (file) file.content[0] = (file.content[0] ?? 0) ^ 1;
    expect(await bed.load()).toEqual(await expected(2));
  });

  test("a tokenizer that came cut short is fetched again by the next load", async () => {
    const whole = bed.server.files.get("tokenizer.json") ?? new Uint8Array();
    bed.server.files.set("tokenizer.json", whole.slice(0, 4));
    const failing = (): Promise<Hashes> => Promise.reject(wasmError("tokenizer-invalid", "not JSON"));
    await expect(bed.load({ load: failing })).rejects.toMatchObject({ code: "tokenizer-invalid" });
    bed.server.files.set("tokenizer.json", whole);
    bed.converter.converted = 0;
    expect(await bed.load()).toEqual(await expected());
    expect(bed.converter.converted).toBe(0);
  });
});

/** The server keeps those waiting who ask for weights further on, until the returned function is called. */
function holdAfter(bytes: number): () => void {
  let goOn = (): void => undefined;
  const gate = new Promise<void>((resolve) => (goOn = resolve));
  bed.server.lie = (_, { path, range }) =>
    path === "a.safetensors" && (range?.[0] ?? 0) > bytes ? gate : undefined;
  return goOn;
}

describe("two tabs", () => {
  test("one fetches, the other waits, and reports how far the first has come", async () => {
    const goOn = holdAfter(3000);
    const first = bed.load();
    await vi.waitFor(() => expect(bed.pieces().length).toBeGreaterThan(1));
    const seen: LoadProgress[] = [];
    const second = bed.load({ report: (progress) => seen.push(progress) });
    await vi.waitFor(() => expect(seen.length).toBeGreaterThan(0), 5000);
    expect(seen[0]).toMatchObject({ phase: "download", total: 7400 });
    expect(seen[0]?.loaded).toBeGreaterThan(1000);
    goOn();
    expect(await second).toEqual(await first);
    expect(bed.converter.converted).toBe(9);
  });

  test("the second goes on if the first is closed", async () => {
    const abort = new AbortController();
    const first = bed.load({ signal: abort.signal, report: abortAt(abort, 3000) }).catch(() => undefined);
    const second = bed.load();
    await first;
    expect(await second).toEqual(await expected());
    expect(bed.converter.converted).toBe(9);
  });

  test("the second can be given up while it waits", async () => {
    const first = bed.load();
    const abort = new AbortController();
    const second = bed.load({ signal: abort.signal });
    abort.abort();
    await expect(second).rejects.toMatchObject({ name: "AbortError" });
    expect(await first).toEqual(await expected());
  });

  test("both read a complete one at once", async () => {
    await bed.load();
    let reading = 0;
    let most = 0;
    const slow = async (source: FileSource): Promise<Hashes> => {
      most = Math.max(most, ++reading);
      const model = await hashes(source);
      reading--;
      return model;
    };
    await Promise.all([bed.load({ load: slow }), bed.load({ load: slow })]);
    expect(most).toBe(2);
  });

  test("nothing is evicted while it is loaded", async () => {
    const goOn = holdAfter(3000);
    const loading = bed.load();
    await vi.waitFor(() => expect(bed.pieces().length).toBeGreaterThan(1));
    await expect(bed.store.evict(BASE)).rejects.toMatchObject({ code: "busy" });
    goOn();
    await loading;
    await bed.store.evict(BASE);
    expect(bed.pieces()).toEqual([]);
    expect(await bed.load()).toEqual(await expected());
  });
});

describe("no cache", () => {
  test("where the server tells no versions apart", async () => {
    bed.server.tells = false;
    await expect(bed.load()).rejects.toThrow(Uncacheable);
    expect(bed.pieces()).toEqual([]);
  });

  test("but a commit of huggingface.co never changes", async () => {
    const base = "https://huggingface.co/a/b/resolve/0123456789abcdef0123456789abcdef01234567/";
    bed = new CacheBed(base);
    bed.server.tells = false;
    expect(await bed.load({ base })).toEqual(await expected());
    requests();
    await bed.load({ base });
    expect(requests()).toEqual([]);
  });

  test("where there is no room, before anything is fetched", async () => {
    await expect(bed.load({ room: 100 })).rejects.toThrow(/needs 3709 bytes, and this browser gives 100/);
    expect(requests().filter((request) => request.endsWith(" 1000"))).toEqual([]);
  });

  test("where room ends in the middle; what was kept by then is given back", async () => {
    bed.root.disk.quota = 5000;
    await expect(bed.load()).rejects.toThrow(/gives no more room/);
    expect(bed.converter.converted).toBeGreaterThan(1);
    expect(bed.root.disk.used).toBe(0);
    expect(await bed.store.list()).toEqual([]);
    bed.root.disk.quota = Infinity;
    expect(await bed.load()).toEqual(await expected());
  });

  test("where there is no room for the rest; what was kept is given back", async () => {
    const abort = new AbortController();
    await expect(bed.load({ signal: abort.signal, report: abortAt(abort, 4000) })).rejects.toBeDefined();
    expect(bed.pieces().length).toBeGreaterThan(0);
    await expect(bed.load({ room: 100 })).rejects.toThrow(Uncacheable);
    expect(bed.root.disk.used).toBe(0);
  });

  test("where the disk fails", async () => {
    bed.root.disk.failure = { name: /^5-/, error: new DOMException("broken", "NotReadableError") };
    await expect(bed.load()).rejects.toThrow(/storage failed \(NotReadableError: broken\)/);
  });
});

test("weights that are no numbers are the model's fault", async () => {
  const file = bed.server.files.get("b.safetensors");
  if (file) file[file.byteLength - 3] = 0xff;
  await expect(bed.load()).rejects.toMatchObject({ code: "checkpoint-invalid" });
  expect(bed.converter.open).toBe(0);
});

test("what this GPU cannot hold is not fetched", async () => {
  const refusal = wasmError("out-of-memory", "too large", { suggestion: { format: "q4" } });
  bed.converter.refusal = refusal;
  await expect(bed.load()).rejects.toBe(refusal);
  expect(bed.converter.open).toBe(0);
  expect(bed.pieces()).toEqual([]);
  expect(requests().filter((request) => request.endsWith(" 1000"))).toEqual([]);
  bed.converter.refusal = undefined;
  expect(await bed.load()).toEqual(await expected());
});

test("what the load itself throws comes through, and the weights stay", async () => {
  const failing = (): Promise<Hashes> => Promise.reject(wasmError("out-of-memory", "no memory"));
  await expect(bed.load({ load: failing })).rejects.toMatchObject({ code: "out-of-memory" });
  requests();
  expect(await bed.load()).toEqual(await expected());
  expect(requests().sort()).toEqual(ASKED_AGAIN);
});
