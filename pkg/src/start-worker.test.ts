// Where the Workers' scripts come from.
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { LoopLM } from "./loop-lm.js";
import { startWorkerAt, workerElsewhere } from "./start-worker.js";
import { Trainer } from "./trainer/trainer.js";

const CDN = "https://cdn.test/looplm@0.1.0/dist";

/** Workers that were started, and what they were sent. */
let started: { url: string; options: WorkerOptions; sent: unknown[] }[];
let blobs: Blob[];

beforeEach(() => {
  [started, blobs] = [[], []];
  vi.stubGlobal("location", new URL("https://page.test/app/"));
  vi.stubGlobal("navigator", { gpu: {} });
  vi.stubGlobal(
    "Worker",
    class extends EventTarget {
      readonly #sent: unknown[] = [];

      constructor(url: string | URL, options: WorkerOptions) {
        super();
        started.push({ url: String(url), options, sent: this.#sent });
      }

      postMessage(message: unknown): void {
        this.#sent.push(message);
      }

      terminate(): void {}
    },
  );
  vi.spyOn(URL, "createObjectURL").mockImplementation((blob) => {
    blobs.push(blob as Blob);
    return "blob:https://page.test/1";
  });
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

describe("a script's address", () => {
  test("of the page's own origin is taken as it is", () => {
    startWorkerAt("https://page.test/lib/worker.js", "looplm");
    expect(started).toMatchObject([
      { url: "https://page.test/lib/worker.js", options: { type: "module", name: "looplm" } },
    ]);
    expect(blobs).toEqual([]);
  });

  test("of another origin is imported by a script of this one", async () => {
    startWorkerAt(`${CDN}/worker.js?a="b"`, "looplm");
    expect(started).toMatchObject([{ url: "blob:https://page.test/1", options: { type: "module" } }]);
    // As `new URL` would write it, so that nothing in it ends the text.
    expect(await blobs[0]?.text()).toBe(`import "${CDN}/worker.js?a=\\"b\\"";`);
    expect(blobs[0]?.type).toBe("text/javascript");
  });
});

describe("where the script is, found by the module that starts it", () => {
  test.each([
    [`${CDN}/worker-client.js`, `${CDN}/worker.js`],
    [`${CDN}/trainer/worker-client.js?v=1`, `${CDN}/trainer/worker.js`],
    ["https://page.test/lib/worker-client.js", undefined],
    // A bundler's: it writes the address into the expression that it knows.
    ["https://cdn.test/assets/index-1a2b.js", undefined],
    ["file:///home/me/app/node_modules/looplm/dist/worker-client.js", undefined],
    [undefined, undefined],
  ])("%s: %s", (module, expected) => {
    expect(workerElsewhere(module)).toBe(expected);
  });
});

describe("workerUrl", () => {
  test("is where a model's Worker comes from, as seen from the page", async () => {
    const abort = new AbortController();
    const { signal } = abort;
    const headers = { Authorization: "Bearer x" };
    const loading = LoopLM.load("/m/", { workerUrl: "lib/worker.js", headers, signal });
    const stopped = expect(loading).rejects.toMatchObject({ code: "aborted" });
    await vi.waitFor(() => expect(started[0]?.sent).toHaveLength(1));
    abort.abort();
    await stopped;
    expect(started[0]).toMatchObject({
      url: "https://page.test/app/lib/worker.js",
      sent: [{ name: "load", args: { headers: { authorization: "Bearer x" } } }, { type: "abort" }, {}],
    });
    await expect(LoopLM.load("/m/", { workerUrl: 1 } as object)).rejects.toMatchObject({
      details: { argument: "workerUrl" },
    });
  });

  test("and a trainer's", async () => {
    void Trainer.presets({ workerUrl: `${CDN}/trainer/worker.js` });
    void Trainer.create("tiny", { workerUrl: new URL("https://page.test/t.js") });
    await vi.waitFor(() => expect(started).toHaveLength(2));
    expect(started.map(({ url }) => url)).toEqual(["blob:https://page.test/1", "https://page.test/t.js"]);
    expect(await blobs[0]?.text()).toContain("trainer/worker.js");
    expect(started[1]?.options.name).toBe("looplm-trainer");
    await expect(Trainer.presets({ workerUrl: 1 } as object)).rejects.toMatchObject({
      details: { argument: "workerUrl" },
    });
  });

  test("without it the script is beside the package's files", async () => {
    void Trainer.presets();
    await vi.waitFor(() => expect(started).toHaveLength(1));
    expect(started[0]?.url).toMatch(/\/trainer\/worker\.[jt]s/);
  });
});
