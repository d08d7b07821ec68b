import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Storage } from "./cache/store.js";
import type { LoadRequest } from "./engine.js";
import { loadModel } from "./load-model.js";
import { sendingHeaders } from "./request-headers.js";
import { BASE, CacheBed, expected, hashes, type Hashes } from "./testing/cache-bed.js";
import type { LoadProgress } from "./types.js";
import type { FileSource, LoadConfig, Model, Tunings } from "./wasm/looplm.js";

let bed: CacheBed;
/** Workgroups that the wasm side was told, and those that it measures. */
let told: Tunings;
let measured: Tunings = {};
beforeEach(() => void (bed = new CacheBed()));
afterEach(() => {
  measured = {};
  vi.unstubAllGlobals();
});

const URL_SOURCE = { kind: "url", url: BASE } as const;

interface Outcome {
  /** What the wasm side was given to load, by its hashes, and with what configuration. */
  loaded: Hashes;
  config: LoadConfig;
  warnings: string[];
  phases: string[];
}

async function load(
  request: LoadRequest,
  storage: Storage | null = { root: bed.root, locks: bed.locks },
): Promise<Outcome> {
  const given: { loaded: Hashes; config: LoadConfig }[] = [];
  const wasm = {
    Conversion: bed.converter,
    Model: {
      load: async (...[source, config, report]: Parameters<typeof Model.load>): Promise<Model> => {
        const { tunings = {}, ...others } = config;
        given.push({ loaded: await hashes(source), config: others });
        told = tunings;
        report({ phase: "weights", loaded: 1, total: 1 });
        return { tunings: () => ({ ...tunings, ...measured }) } as Model;
      },
    },
  };
  const seen: LoadProgress[] = [];
  const { warnings } = await loadModel(request, wasm, (p) => seen.push(p), new AbortController().signal, {
    storage: () => Promise.resolve(storage ?? undefined),
    estimate: () => Promise.resolve({}),
  });
  expect(given).toHaveLength(1);
  const phases = [...new Set(seen.map(({ phase }) => phase))];
  return { loaded: {}, config: {}, ...given[0], warnings, phases };
}

describe("headers of the caller", () => {
  const headers = { authorization: "Bearer secret" };

  /** Looks at what every request carries. */
  function watched(): Headers[] {
    const sent: Headers[] = [];
    vi.stubGlobal("fetch", (url: string, init: RequestInit) => {
      sent.push(new Headers(init.headers));
      return bed.server.fetch(url, init);
    });
    return sent;
  }

  test.each([true, false])(
    "go with every request of the load, and with none after it (cache: %s)",
    async (cache) => {
      const sent = watched();
      const source = { kind: "url", url: `${BASE.slice(0, -1)}?x=y#z` } as const;
      await load({ source, config: { format: "q4" }, cache, headers }).catch(() => undefined);
      await load({ source: URL_SOURCE, config: { format: "q4" }, cache, headers });
      expect(sent.length).toBeGreaterThan(3);
      expect(sent.every((found) => found.get("authorization") === "Bearer secret")).toBe(true);
      // Ranges are still the load's own.
      expect(sent.some((found) => found.has("range"))).toBe(true);
      sent.length = 0;
      await load({ source: URL_SOURCE, config: { format: "q8" }, cache });
      expect(sent.length).toBeGreaterThan(3);
      expect(sent.some((found) => found.has("authorization"))).toBe(false);
    },
  );

  test("are neither kept nor part of what the cache knows the model by", async () => {
    await load({ source: URL_SOURCE, config: { format: "q4" }, cache: true, headers });
    for (const [, file] of bed.root.files()) {
      expect(new TextDecoder().decode(file.content)).not.toContain("secret");
    }
    const again = await load({ source: URL_SOURCE, config: { format: "q4" }, cache: true });
    expect(again.phases).toEqual(["weights"]);
  });

  test("do not go to another folder of the server", async () => {
    const sent = watched();
    await sendingHeaders("https://models.test/other/", headers, () =>
      load({ source: URL_SOURCE, config: {}, cache: true }),
    );
    expect(sent.some((found) => found.has("authorization"))).toBe(false);
  });
});

describe("through the cache", () => {
  const request: LoadRequest = { source: URL_SOURCE, config: { format: "q4", kvFormat: "f16" }, cache: true };

  test("the model is converted once, and given as it was converted", async () => {
    const first = await load(request);
    expect(first).toEqual({
      loaded: await expected(),
      config: request.config,
      warnings: [],
      phases: ["download", "weights"],
    });
    expect(await load(request)).toEqual({ ...first, phases: ["weights"] });
  });

  test("each format by itself", async () => {
    await load(request);
    expect((await load({ ...request, config: {} })).loaded).toEqual(await expected(1, "stored"));
    expect((await bed.store.list()).map(({ format }) => format).sort()).toEqual(["q4", "stored"]);
  });

  test.each([
    ["no storage", () => load(request, null)],
    [
      "no room",
      () => {
        bed.root.disk.quota = 3000;
        return load(request);
      },
    ],
    [
      "no way to tell versions apart",
      () => {
        bed.server.tells = false;
        return load(request);
      },
    ],
  ])("where there is %s, it is loaded without, as it is on the server, with a warning", async (_, run) => {
    const outcome = await run();
    expect(outcome.loaded).toEqual(await expected(1, "stored"));
    expect(outcome.config).toEqual(request.config);
    expect(outcome.warnings).toEqual([expect.stringMatching(/^The model was loaded without the cache: /)]);
  });
});

test("what is loaded without the cache goes on where its connection was lost, and is of one version", async () => {
  let broken = 0;
  bed.server.lie = (answer, { path, range }) => {
    if (path === "a.safetensors" && range === undefined && broken++ === 0) answer.breakAfter = 3000;
    if (path === "b.safetensors" && bed.server.version === 1) bed.publish(2);
  };
  const request: LoadRequest = { source: URL_SOURCE, config: {}, cache: true };
  const { signal } = new AbortController();
  const wasm = {
    Conversion: bed.converter,
    Model: {
      load: async (source: FileSource): Promise<Model> =>
        ({ tunings: () => ({}), loaded: await hashes(source) }) as unknown as Model,
    },
  };
  const keeping = { storage: () => Promise.resolve(undefined), estimate: () => Promise.resolve({}) };
  const { model, warnings } = await loadModel(request, wasm, () => undefined, signal, keeping);
  expect((model as unknown as { loaded: Hashes }).loaded).toEqual(await expected(2, "stored"));
  expect(warnings).toHaveLength(1);
  expect(bed.server.requests.find(({ path }) => path === "a.safetensors")?.range).toBeUndefined();
  expect(bed.server.requests.some(({ path, range }) => path === "a.safetensors" && range?.[0] === 3000)).toBe(
    true,
  );
});

describe("Files", () => {
  /** The server's files as local ones; `date` is when they were changed. */
  function request(date: number): LoadRequest {
    const files = [...bed.server.files].map(([path, bytes]) => ({
      path,
      file: new File([bytes], path, { lastModified: date }),
    }));
    return { source: { kind: "files", files }, config: { format: "q4" }, cache: true };
  }

  test("are known by names, sizes and dates", async () => {
    expect((await load(request(1000))).loaded).toEqual(await expected());
    expect(bed.converter.converted).toBe(9);
    expect((await load(request(1000))).loaded).toEqual(await expected());
    expect(bed.converter.converted).toBe(9);
    await load(request(2000));
    expect(bed.converter.converted).toBe(18);
    expect(bed.server.requests).toEqual([]);
  });

  test("are listed and evicted by a name made from that", async () => {
    await load(request(1000));
    const [model] = await bed.store.list();
    expect(model?.source).toMatch(/^files:[0-9a-f]{16}$/);
    expect(await bed.store.evict(model?.source)).toBeGreaterThan(0);
  });

  test("one that is damaged is read again, and one that cannot be read is an error", async () => {
    await load(request(1000));
    for (const file of bed.pieces()) file.content[0] = (file.content[0] ?? 0) ^ 1;
    expect((await load(request(1000))).loaded).toEqual(await expected());
    const gone = request(3000);
    if (gone.source.kind !== "files") return;
    for (const { path, file } of gone.source.files) {
      if (path !== "b.safetensors") continue;
      file.slice = () => {
        throw new DOMException("gone", "NotReadableError");
      };
    }
    await expect(load(gone)).rejects.toMatchObject({ code: "network", details: { url: "b.safetensors" } });
  });
});

test("workgroups that were measured are told to the next load, where something is kept", async () => {
  measured = { adapter: { lanes: 32, outputsOfOne: 8 } };
  const request: LoadRequest = { source: URL_SOURCE, config: {}, cache: true };
  await load(request);
  expect(told).toEqual({});
  await load(request);
  expect(told).toEqual(measured);
  await load({ ...request, cache: false });
  expect(told).toEqual({});
});

test("without the cache the wasm side reads the server's files, and converts", async () => {
  const outcome = await load({ source: URL_SOURCE, config: { format: "q8" }, cache: false });
  expect(outcome).toEqual({
    loaded: await expected(1, "stored"),
    config: { format: "q8" },
    warnings: [],
    phases: ["weights"],
  });
  expect(bed.root.files().size).toBe(0);
});
