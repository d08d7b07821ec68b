import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { DirectEngine } from "../direct-engine.js";
import { DeviceLostError } from "../errors.js";
import { LoopLM } from "../loop-lm.js";
import { FakeWasm, wasmError } from "../testing/fake-wasm.js";
import { FakeWorker } from "../testing/fake-worker.js";
import type { GeneratedToken, GenerateOptions, LostDetail } from "../types.js";
import { WorkerClient } from "../worker-client.js";
import { WorkerServer } from "../worker-server.js";
import { NEVER, USUAL, type RestoreLimits } from "./budget.js";

const REQUEST = {
  source: { kind: "url", url: "http://models.test/m" },
  config: { contextLength: 64 },
  cache: false,
} as const;
const AT_ONCE: RestoreLimits = { ...USUAL, pause: () => 0 };

beforeEach(() => {
  vi.stubGlobal("fetch", async () => new Response("{}"));
});
afterEach(() => void vi.unstubAllGlobals());

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 5));
}

describe.each(["direct", "worker"])("over %s engines", (kind) => {
  let wasm: FakeWasm;
  let workers: FakeWorker[];
  let events: string[];
  let losses: LostDetail[];
  beforeEach(() => {
    [wasm, workers, events, losses] = [new FakeWasm(), [], [], []];
  });

  async function load(limits = AT_ONCE): Promise<LoopLM> {
    const make = (): DirectEngine | WorkerClient => {
      const direct = new DirectEngine(wasm.surroundings);
      if (kind === "direct") return direct;
      const worker = new FakeWorker((port) => void new WorkerServer(port, direct));
      workers.push(worker);
      return new WorkerClient(worker);
    };
    const model = await LoopLM.loadInto(make, REQUEST, undefined, undefined, limits);
    // Those of this test: a model may be restored after its end.
    const [heard, found] = [events, losses];
    model.addEventListener("lost", ({ detail }) => {
      heard.push(detail.restoring ? "lost" : "gone");
      found.push(detail);
    });
    model.addEventListener("restored", ({ detail }) => {
      heard.push("restored");
      expect(detail.seconds).toBeGreaterThan(0);
    });
    return model;
  }

  /** The tokens, the device being taken away after as many of them as `at` says. */
  async function generate(
    model: LoopLM,
    options: GenerateOptions,
    at: number[],
    quietly = false,
  ): Promise<{ tokens: GeneratedToken[]; stream: ReturnType<LoopLM["generate"]> }> {
    const stream = model.generate([5, 6], options);
    const tokens: GeneratedToken[] = [];
    for await (const token of stream) {
      tokens.push(token);
      if (at.includes(tokens.length)) wasm.device.lose("taken away", quietly);
    }
    return { tokens, stream };
  }

  test.each([false, true])("a generation goes on where it was (told by the call: %s)", async (quietly) => {
    const model = await load();
    const options = { maxNewTokens: 6, seed: 9, timeline: true };
    const whole = await generate(model, options, []);
    const cut = await generate(model, options, [2, 5], quietly);
    expect(cut.tokens).toEqual(whole.tokens);
    expect(events).toEqual(["lost", "restored", "lost", "restored"]);
    expect(losses[0]).toMatchObject({ reason: "taken away", restoring: true });
    // Each engine got what was there by then as its prompt, under the same seed.
    expect(wasm.configs.slice(1).map(({ answered, seed }) => ({ answered, seed }))).toEqual([
      { answered: undefined, seed: 9 },
      { answered: 2, seed: 9 },
      { answered: 5, seed: 9 },
    ]);
    const [one, three] = [await whole.stream.finished, await cut.stream.finished];
    expect(three).toMatchObject({ reason: "length", promptTokens: 2, newTokens: 6, prefillPasses: 3 });
    expect(three.timeline).toEqual(one.timeline);
    // 2 + 2 rows, 4 + 3, and 7 + 1.
    expect(three).toMatchObject({ rowSteps: 19, passes: 9, kvBytes: one.kvBytes });
    expect([wasm.open, wasm.objects]).toEqual([0, 1]);
    await model.dispose();
    expect(wasm.objects).toBe(0);
  });

  test("without a seed, all parts have the same one", async () => {
    const model = await load();
    await generate(model, { maxNewTokens: 3 }, [1]);
    await generate(model, { maxNewTokens: 1 }, []);
    const [first, second, other] = wasm.configs.map(({ seed }) => seed);
    expect(first).toBe(second);
    expect(Number.isSafeInteger(first)).toBe(true);
    expect(other).not.toBe(first);
  });

  test("where the answer's tokens leave other keys than a prompt's, it is made again, and given once", async () => {
    const model = await load();
    const { tokens } = await generate(model, { maxNewTokens: 5, kv: "last-exited" }, [3]);
    expect(tokens.map(({ id }) => id)).toEqual([7, 8, 9, 10, 11]);
    expect(wasm.configs.map(({ answered }) => answered)).toEqual([undefined, undefined]);
  });

  test("a loss is noticed while nothing runs", async () => {
    const model = await load();
    wasm.device.lose("the driver was reset");
    await vi.waitFor(() => expect(events).toEqual(["lost", "restored"]));
    expect(losses[0]?.reason).toBe("the driver was reset");
    expect(await model.tokenize("a")).toEqual(Uint32Array.of(1, 1));
    if (kind === "worker") {
      await vi.waitFor(() => expect(workers.map(({ terminated }) => terminated)).toEqual([true, false]));
    }
    await vi.waitFor(() => expect(wasm.objects).toBe(1));
  });

  test("calls under which the device goes wait and are made again", async () => {
    const model = await load();
    const calls = [model.forward([1, 2]), model.forward("a bb")];
    await turn();
    const generation = model.generate([1], { maxNewTokens: 2 });
    wasm.device.lose();
    const first = generation.next();
    const text = model.tokenize("ccc");
    for (const { steps } of await Promise.all(calls)) expect(steps).toBe(4);
    expect((await first).value?.id).toBe(2);
    expect(await text).toEqual(Uint32Array.of(1, 3));
    expect(events).toEqual(["lost", "restored"]);
  });

  test("a call that meets a second loss is not made a third time", async () => {
    const model = await load();
    wasm.failure = wasmError("device-lost", "gone", { reason: "hung" });
    const error = await model.forward([1]).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(DeviceLostError);
    expect(error).toMatchObject({ message: expect.stringContaining("twice"), details: { reason: "hung" } });
    wasm.failure = undefined;
    // The model is there for others.
    expect((await model.forward([1])).steps).toBe(4);
    expect(events).toEqual(["lost", "restored", "lost", "restored"]);
  });

  test("after so many losses the error is final, and says so", async () => {
    const model = await load();
    const stream = model.generate([5], { maxNewTokens: 10 });
    for (let loss = 0; loss < 3; loss++) {
      await stream.next();
      wasm.device.lose();
    }
    expect((await stream.next()).value?.id).toBe(9);
    wasm.device.lose("for good");
    const error = await stream.next().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(DeviceLostError);
    expect(error).toMatchObject({ message: expect.stringMatching(/for good.*3 times within 5 minutes/) });
    await expect(stream.finished).rejects.toBe(error);
    await expect(model.tokenize("a")).rejects.toBe(error);
    expect(losses.at(-1)).toEqual({ reason: "for good", restoring: false, error });
    expect(events).toEqual([...Array(3).fill(["lost", "restored"]).flat(), "gone"]);
    await vi.waitFor(() => expect(wasm.objects).toBe(0));
    await model.dispose();
  });

  test("a load that fails is tried again; when all do, the error is final and has the last one as its cause", async () => {
    const model = await load();
    wasm.loadFailure = wasmError("webgpu-unavailable", "no adapter");
    wasm.device.lose();
    await turn();
    const call = model.tokenize("a");
    const error = await call.catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "device-lost", cause: { code: "webgpu-unavailable" } });
    expect(events).toEqual(["lost", "gone"]);
    expect(wasm.objects).toBe(0);
    if (kind === "worker") expect(workers).toHaveLength(4);
  });

  test("a failure that will not pass ends it at once", async () => {
    const model = await load();
    vi.stubGlobal("fetch", async () => new Response("", { status: 404 }));
    wasm.device.lose();
    await turn();
    await expect(model.tokenize("a")).rejects.toMatchObject({
      code: "device-lost",
      message: expect.stringContaining("cannot be restored: config.json is missing"),
    });
    if (kind === "worker") expect(workers).toHaveLength(2);
  });

  test("restore: false keeps to the error", async () => {
    const model = await load(NEVER);
    const stream = model.generate([1], { maxNewTokens: 5 });
    await stream.next();
    wasm.device.lose("taken away");
    const error = await stream.next().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: "device-lost",
      message: expect.stringContaining("load the model again"),
    });
    await expect(model.forward([1])).rejects.toBe(error);
    expect(events).toEqual(["gone"]);
  });

  describe("while it is restored", () => {
    let goOn: () => void;
    let model: LoopLM;
    beforeEach(async () => {
      model = await load();
      goOn = () => undefined;
    });
    async function losing(): Promise<void> {
      wasm.beforeReady = new Promise((resolve) => (goOn = resolve));
      wasm.device.lose();
      await vi.waitFor(() => expect(events).toEqual(["lost"]));
    }

    test("a signal stops a generation and calls at once", async () => {
      const abort = new AbortController();
      const { signal } = abort;
      const stream = model.generate([1], { maxNewTokens: 5, signal });
      await stream.next();
      await losing();
      const waiting = [
        stream.next(),
        model.generate("a", { signal }).next(),
        model.forward("a", { signal }),
        model.forward([1], { signal }),
      ];
      const outcomes = Promise.allSettled(waiting);
      await turn();
      abort.abort();
      for (const outcome of await outcomes) {
        expect(outcome).toMatchObject({ status: "rejected", reason: { code: "aborted" } });
      }
      expect(await stream.finished).toMatchObject({
        reason: "aborted",
        promptTokens: 1,
        newTokens: 1,
        passes: 2,
      });
      expect(events).toEqual(["lost"]);
      goOn();
      await vi.waitFor(() => expect(events).toEqual(["lost", "restored"]));
      await turn();
      expect(wasm.open).toBe(0);
    });

    test("leaving the loop ends it at once", async () => {
      const stream = model.generate([1], { maxNewTokens: 5 });
      await stream.next();
      await losing();
      const pending = stream.next();
      await turn();
      await stream.return();
      expect(await pending).toEqual({ done: true, value: undefined });
      expect(await stream.finished).toMatchObject({ reason: "aborted", newTokens: 1 });
      goOn();
    });

    test("dispose ends everything at once, and nothing comes after it", async () => {
      const stream = model.generate([1], { maxNewTokens: 5 });
      await stream.next();
      await losing();
      const outcomes = Promise.allSettled([stream.next(), model.tokenize("a"), model.forward([1])]);
      await turn();
      await model.dispose();
      for (const outcome of await outcomes) {
        expect(outcome).toMatchObject({ status: "rejected", reason: { code: "disposed" } });
      }
      goOn();
      await vi.waitFor(() => expect(wasm.objects).toBe(0));
      if (kind === "worker") expect(workers.every(({ terminated }) => terminated)).toBe(true);
      expect(events).toEqual(["lost"]);
    });
  });

  test("dispose is no loss", async () => {
    const model = await load();
    await model.dispose();
    await turn();
    expect(events).toEqual([]);
  });

  test("a listener that was removed hears nothing, and `info` is the new GPU's", async () => {
    const model = await load();
    const heard = vi.fn();
    model.addEventListener("restored", heard);
    model.removeEventListener("restored", heard);
    const before = model.info;
    wasm.device.lose();
    await vi.waitFor(() => expect(events).toEqual(["lost", "restored"]));
    expect(heard).not.toHaveBeenCalled();
    expect(model.info).not.toBe(before);
    expect(model.info).toEqual(before);
  });
});
