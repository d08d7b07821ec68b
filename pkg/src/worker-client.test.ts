// What becomes of a model whose Worker dies.
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { DirectEngine } from "./direct-engine.js";
import type { Engine } from "./engine.js";
import { LoopLM } from "./loop-lm.js";
import { NEVER, USUAL, type RestoreLimits } from "./restore/budget.js";
import { FakeWasm } from "./testing/fake-wasm.js";
import { FakeWorker } from "./testing/fake-worker.js";
import { WorkerClient } from "./worker-client.js";
import { WorkerServer } from "./worker-server.js";

const REQUEST = { source: { kind: "url", url: "http://models.test/m" }, config: {}, cache: false } as const;

beforeEach(() => {
  vi.stubGlobal("fetch", async () => new Response("{}"));
});
afterEach(() => void vi.unstubAllGlobals());

function fakeWorker(engine: Engine): FakeWorker {
  return new FakeWorker((port) => void new WorkerServer(port, engine));
}

describe("a Worker that dies", () => {
  async function loaded(limits: RestoreLimits): Promise<{ model: LoopLM; workers: FakeWorker[] }> {
    const wasm = new FakeWasm();
    const workers: FakeWorker[] = [];
    const make = (): WorkerClient => {
      const worker = fakeWorker(new DirectEngine(wasm.surroundings));
      workers.push(worker);
      return new WorkerClient(worker);
    };
    return { model: await LoopLM.loadInto(make, REQUEST, undefined, undefined, limits), workers };
  }

  test("is followed by another, in which what ran goes on", async () => {
    const { model, workers } = await loaded({ ...USUAL, pause: () => 0 });
    const events: string[] = [];
    model.addEventListener("lost", ({ detail }) => events.push(detail.reason));
    model.addEventListener("restored", () => events.push("restored"));
    const stream = model.generate([1], { maxNewTokens: 4 });
    await stream.next();
    const running = [stream.text(), model.forward([1, 2])] as const;
    workers[0]?.crash("RuntimeError: unreachable");
    expect(await running[0]).toBe("t2 t3 t4 t5 ");
    expect((await running[1]).ids).toEqual(Uint32Array.of(1, 2));
    expect(events).toEqual(["the Worker failed: RuntimeError: unreachable", "restored"]);
    expect(workers.map(({ terminated }) => terminated)).toEqual([true, false]);
    await model.dispose();
  });

  test("without restoring ends what runs and what comes after, and says so", async () => {
    const { model, workers } = await loaded(NEVER);
    const losses: boolean[] = [];
    model.addEventListener("lost", ({ detail }) => losses.push(detail.restoring));
    const stream = model.generate([1], { maxNewTokens: 1000 });
    await stream.next();
    const running = [stream.next(), model.forward([1])].map((call) => call.catch((error: unknown) => error));
    workers[0]?.crash("RuntimeError: unreachable");
    for (const error of await Promise.all(running)) {
      expect(error).toMatchObject({ code: "device-lost", message: expect.stringContaining("unreachable") });
    }
    await expect(stream.finished).rejects.toMatchObject({ code: "device-lost" });
    await expect(model.tokenize("a")).rejects.toMatchObject({ code: "device-lost" });
    expect(losses).toEqual([false]);
    expect(workers[0]?.terminated).toBe(true);
    await model.dispose();
  });

  test("says so when its script cannot be loaded", async () => {
    const engine = new DirectEngine({
      ...new FakeWasm().surroundings,
      requireAdapter: () => new Promise(() => undefined),
    });
    const worker = fakeWorker(engine);
    const loading = LoopLM.loadInto(() => new WorkerClient(worker), REQUEST);
    worker.crash();
    await expect(loading).rejects.toThrow(/worker\.js.*worker: false/);
  });
});
