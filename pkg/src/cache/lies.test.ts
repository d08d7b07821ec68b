// Servers and connections that do wrong, and never a wrong weight from them: what a load gives is by its hashes one version
// of the model, whole, or it is an error.
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { CacheBed, expected } from "../testing/cache-bed.js";
import type { FakeAnswer, FakeRequest } from "../testing/fake-server.js";
import { Uncacheable } from "./fill.js";

let bed: CacheBed;
beforeEach(() => void (bed = new CacheBed()));
afterEach(() => void vi.unstubAllGlobals());

type Lie = (answer: FakeAnswer, request: FakeRequest) => void;

const without = (name: string) => (answer: FakeAnswer) => void delete answer.headers[name];
/** Another range than was asked for. */
const shifted = (answer: FakeAnswer, by: number): void => {
  // Of a whole file nobody could tell.
  if (answer.status !== 206) return;
  const [, first = 0, last = 0, total = 0] = (
    /^bytes (\d+)-(\d+)\/(\d+)$/.exec(answer.headers["content-range"] ?? "") ?? []
  ).map(Number);
  answer.headers["content-range"] = `bytes ${first + by}-${last + by}/${total}`;
  answer.body = answer.body.map((byte) => byte ^ 1);
};

/** What can be wrong with the answer to a request for a range of weights. */
const LIES: Record<string, Lie> = {
  "a body that ends too early": (answer) => void (answer.body = answer.body.slice(0, -7)),
  "an empty body": (answer) => void (answer.body = new Uint8Array()),
  "a body that goes on": (answer) => void (answer.body = Uint8Array.of(...answer.body, 1, 2, 3)),
  "a connection that breaks at once": () => {
    throw new TypeError("Failed to fetch");
  },
  "a connection that breaks in the middle": (answer) =>
    void (answer.breakAfter = Math.floor(answer.body.byteLength / 2)),
  "another range": (answer) => shifted(answer, 8),
  "a range of another size": (answer) => {
    const header = answer.headers["content-range"] ?? "";
    answer.headers["content-range"] = header.replace(/\d+$/, (total) => String(Number(total) + 1));
  },
  "a range of unknown size": (answer) => {
    answer.headers["content-range"] = (answer.headers["content-range"] ?? "").replace(/\d+$/, "*");
  },
  "a range that nobody can place": without("content-range"),
  "a compressed range": (answer) => void (answer.headers["content-encoding"] = "gzip"),
  "no tag, as if of another version": without("etag"),
  "another tag": (answer) => void (answer.headers["etag"] = '"other"'),
  "416": (answer) => void (answer.status = 416),
  "404": (answer) => void (answer.status = 404),
  "403": (answer) => void (answer.status = 403),
  "429 with a wait": (answer) => {
    answer.status = 429;
    answer.headers["retry-after"] = "1";
  },
  "500": (answer) => void (answer.status = 500),
  "the start page": (answer) => {
    answer.status = 200;
    answer.headers["content-type"] = "text/html";
  },
};

const isWeights = ({ path }: FakeRequest): boolean => path.endsWith(".safetensors");

describe.each(Object.entries(LIES))("%s", (_, lie) => {
  test.each([1, 2, 4, 8])("once, at request %i for weights", async (at) => {
    let requests = 0;
    bed.server.lie = (answer, request) => {
      if (isWeights(request) && ++requests === at) lie(answer, request);
    };
    const model = await bed.load().catch((error: unknown) => error);
    if (model instanceof Error && !(model instanceof Uncacheable)) {
      expect((model as { code?: unknown }).code).toMatch(/^(network|checkpoint-invalid)$/);
    } else if (!(model instanceof Error)) expect(model).toEqual(await expected());
    bed.server.lie = undefined;
    expect(await bed.load()).toEqual(await expected());
  });

  test("always: the model or an error, and the model when it is over", async () => {
    bed.server.lie = (answer, request) => {
      if (isWeights(request)) lie(answer, request);
    };
    const model = await bed.load().catch((error: unknown) => error);
    if (!(model instanceof Error)) expect(model).toEqual(await expected());
    bed.server.lie = undefined;
    expect(await bed.load()).toEqual(await expected());
  });
});

describe("what passes", () => {
  test.each([
    "a body that ends too early",
    "a connection that breaks in the middle",
    "500",
    "429 with a wait",
  ])("%s, the first time that anything is asked for: tried again, and nobody notices", async (name) => {
    const asked = new Set<string>();
    bed.server.lie = (answer, request) => {
      const what = JSON.stringify(request);
      const first = !asked.has(what);
      asked.add(what);
      if (isWeights(request) && first) LIES[name]?.(answer, request);
    };
    expect(await bed.load()).toEqual(await expected());
  });

  test.each(["403", "404"])("%s is not tried again", async (name) => {
    const tried: string[] = [];
    bed.server.lie = (answer, request) => {
      if (request.path !== "b.safetensors") return;
      tried.push(name);
      LIES[name]?.(answer, request);
    };
    await expect(bed.load()).rejects.toBeInstanceOf(Error);
    expect(tried.length).toBeLessThanOrEqual(2);
  });
});

describe("no ranges", () => {
  beforeEach(() => void (bed.server.ranges = false));

  test("every file is read once for its header and once for its weights", async () => {
    expect(await bed.load()).toEqual(await expected());
    const whole = bed.server.requests.filter(({ path, range }) => path === "a.safetensors" && !range);
    expect(whole).toHaveLength(2);
  });

  test("from the beginning on, what is kept is passed over", async () => {
    const abort = new AbortController();
    let now = 0;
    vi.spyOn(performance, "now").mockImplementation(() => (now += 1000));
    const report = ({ loaded }: { loaded: number }): void => void (loaded >= 4000 && abort.abort());
    await expect(bed.load({ signal: abort.signal, report })).rejects.toMatchObject({ name: "AbortError" });
    vi.restoreAllMocks();
    const kept = bed.pieces().length;
    expect(kept).toBeGreaterThanOrEqual(3);
    bed.converter.converted = 0;
    expect(await bed.load()).toEqual(await expected());
    expect(bed.converter.converted).toBe(9 - kept);
  });

  test("a connection that breaks at every third answer: begun again, and passed over what was read", async () => {
    let requests = 0;
    bed.server.lie = (answer, request) => {
      if (isWeights(request) && ++requests % 3 === 0) answer.breakAfter = 1500 + 600 * requests;
    };
    expect(await bed.load()).toEqual(await expected());
    expect(requests).toBeGreaterThan(4);
  });

  test("no Content-Length either", async () => {
    bed.server.lie = (answer) => void delete answer.headers["content-length"];
    expect(await bed.load()).toEqual(await expected());
  });

  test("compressed: the length says nothing", async () => {
    bed.server.lie = (answer, { path }) => {
      if (answer.status !== 200) return;
      answer.headers["content-encoding"] = "gzip";
      answer.headers["content-length"] = "77";
      answer.headers["etag"] = `W/"${path}-1-gzip"`;
    };
    expect(await bed.load()).toEqual(await expected());
  });

  test("a file that ends too early is an error", async () => {
    bed.server.lie = (answer, { path }) => {
      if (path !== "b.safetensors") return;
      answer.body = answer.body.slice(0, 1000);
      delete answer.headers["content-length"];
    };
    await expect(bed.load()).rejects.toMatchObject({ code: "network" });
    bed.server.lie = undefined;
    expect(await bed.load()).toEqual(await expected());
  });
});

describe("another version in the middle", () => {
  test.each([2, 3, 5, 9])("from request %i for weights on: all of the new one", async (at) => {
    let requests = 0;
    bed.server.lie = (_, request) => {
      if (isWeights(request) && ++requests === at) bed.publish(2);
    };
    expect(await bed.load()).toEqual(await expected(2));
  });

  test("again and again is an error, and nothing of any is kept", async () => {
    let requests = 0;
    let version = 1;
    bed.server.lie = (_, request) => {
      if (isWeights(request) && ++requests % 4 === 0) bed.publish(++version);
    };
    await expect(bed.load()).rejects.toMatchObject({
      code: "network",
      message: expect.stringMatching(/changed while it was fetched, twice/) as string,
    });
    expect(bed.pieces()).toEqual([]);
    bed.server.lie = undefined;
    expect(await bed.load()).toEqual(await expected(version));
  });
});

/** Numbers from 0 to 1, the same for the same seed. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
    return ((state ^ (state >>> 12)) >>> 0) / 2 ** 32;
  };
}

test.each(Array.from({ length: 60 }, (_, i) => i + 1))("everything at random, seed %i", async (seed) => {
  const next = random(seed * 7919);
  const lies = Object.values(LIES);
  const rate = 0.05 + 0.4 * next();
  let version = 1;
  bed.server.ranges = next() < 0.7;
  bed.server.lie = (answer, request) => {
    const dice = next();
    // What is wrong with a small file shows when it is used.
    if (dice < rate && isWeights(request)) lies[Math.floor(next() * lies.length)]?.(answer, request);
    else if (dice > 0.995) bed.publish(++version);
  };
  for (let load = 0; load < 4; load++) {
    const abort = new AbortController();
    const stopAfter = next() < 0.3 ? next() * 7400 : Infinity;
    const report = ({ loaded }: { loaded: number }): void => void (loaded > stopAfter && abort.abort());
    const from = version;
    const model = await bed.load({ signal: abort.signal, report }).catch((error: unknown) => error);
    if (model instanceof Error) continue;
    // A version that was there while it loaded; without a connection, the one that was kept.
    const possible = await Promise.all(Array.from({ length: version }, (_, i) => expected(i + 1)));
    expect(possible, `load ${load}, versions ${from} to ${version}`).toContainEqual(model);
    // Bits rot.
    const damaged = bed.pieces()[Math.floor(next() * 9)];
    if (damaged && next() < 0.5) damaged.content[0] = (damaged.content[0] ?? 0) ^ 1;
  }
  bed.server.lie = undefined;
  expect(await bed.load()).toEqual(await expected(version));
  expect(bed.converter.open).toBe(0);
  expect(bed.locks.held).toBe(0);
});
