import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { DirectEngine } from "./direct-engine.js";
import type { Engine } from "./engine.js";
import { AbortedError, CheckpointError, ContextFullError, LoopLMError, TokenizerError } from "./errors.js";
import { LoopLM } from "./loop-lm.js";
import { FakeWasm, wasmError } from "./testing/fake-wasm.js";
import { FakeWorker } from "./testing/fake-worker.js";
import type { TokenStream } from "./token-stream.js";
import type { GeneratedToken, LoadProgress } from "./types.js";
import { WorkerClient } from "./worker-client.js";
import { WorkerServer } from "./worker-server.js";

const REQUEST = {
  source: { kind: "url", url: "http://models.test/m" },
  config: { contextLength: 64, kvBytes: 4096 },
  cache: false,
} as const;

beforeEach(() => {
  vi.stubGlobal("fetch", async (url: string) =>
    url === "http://models.test/m/config.json" ? new Response("{}") : new Response("", { status: 404 }),
  );
});
afterEach(() => void vi.unstubAllGlobals());

function fakeWorker(engine: Engine): FakeWorker {
  return new FakeWorker((port) => void new WorkerServer(port, engine));
}

function code(expected: string): unknown {
  return expect.objectContaining({ code: expected });
}

async function collect(stream: AsyncIterable<GeneratedToken>): Promise<number[]> {
  const ids: number[] = [];
  for await (const token of stream) ids.push(token.id);
  return ids;
}

describe.each(["direct", "worker"])("LoopLM over the %s engine", (kind) => {
  let wasm: FakeWasm;
  let worker: FakeWorker | undefined;
  let engine: Engine;
  beforeEach(() => {
    wasm = new FakeWasm();
    const direct = new DirectEngine(wasm.surroundings);
    worker = kind === "worker" ? fakeWorker(direct) : undefined;
    engine = worker === undefined ? direct : new WorkerClient(worker);
  });
  const load = (): Promise<LoopLM> => LoopLM.loadInto(() => engine, REQUEST);

  test("loads: passes options, reads files, reports progress, knows the model", async () => {
    const seen: LoadProgress[] = [];
    const model = await LoopLM.loadInto(
      () => engine,
      REQUEST,
      (progress) => seen.push(progress),
    );
    expect(wasm.loaded).toEqual({ config: REQUEST.config, configJson: "{}" });
    expect(seen.map(({ phase }) => phase)).toEqual(["adapter", "weights", "weights", "weights", "ready"]);
    expect(seen.map(({ loaded }) => loaded)).toEqual([0, 0, 1, 2, 2]);
    expect(model.info.architecture.steps).toBe(4);
  });

  test("a failing load keeps the error's class, code and details, and ends the engine", async () => {
    const request = { ...REQUEST, source: { kind: "url", url: "http://models.test/other" } } as const;
    const error = await LoopLM.loadInto(() => engine, request).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(CheckpointError);
    expect(error).toMatchObject({ code: "checkpoint-invalid", details: { file: "config.json" } });
    if (worker) await vi.waitFor(() => expect(worker?.terminated).toBe(true));
  });

  test("a failing server's error keeps what wasm does not pass on", async () => {
    vi.stubGlobal("fetch", async () => new Response("12345", { headers: { "content-length": "8" } }));
    await expect(load()).rejects.toMatchObject({
      code: "network",
      details: { url: "http://models.test/m/config.json", received: 5, size: 8 },
    });
  });

  test("an aborted load throws at once and leaves no model behind", async () => {
    const abort = new AbortController();
    let goOn = (): void => undefined;
    wasm.beforeReady = new Promise((resolve) => (goOn = resolve));
    const loading = LoopLM.loadInto(
      () => engine,
      REQUEST,
      () => abort.abort(),
      abort.signal,
    );
    await expect(loading).rejects.toThrow(AbortedError);
    // Time for the Worker's half to hear of it.
    await new Promise((resolve) => setTimeout(resolve, 20));
    goOn();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(wasm.loaded).toBeUndefined();
    expect(wasm.objects).toBe(0);
  });

  test("generates, tells how it finished, and frees the sequence", async () => {
    const model = await load();
    const stream = model.generate([5, 6], { maxNewTokens: 4 });
    expect(await collect(stream)).toEqual([7, 8, 9, 10]);
    expect(await stream.finished).toMatchObject({ reason: "length", promptTokens: 2, newTokens: 4 });
    expect(wasm.open).toBe(0);
  });

  test("passes rule, KV policy and verification, and tells what came of them", async () => {
    const model = await load();
    const options = { maxNewTokens: 2, exit: { confidence: 0.9 }, minSteps: 2, maxSteps: 3 } as const;
    const stream = model.generate([5, 6], { ...options, kv: "full", verify: true, timeline: true });
    const tokens: GeneratedToken[] = [];
    for await (const token of stream) tokens.push(token);
    expect(wasm.configs).toEqual([
      { ...options, kv: "full", verify: "on", timeline: true, seed: expect.any(Number) },
    ]);
    expect(tokens.map(({ draftStep, drafts }) => ({ draftStep, drafts }))).toEqual([
      { draftStep: 1, drafts: [8] },
      { draftStep: 1, drafts: [9] },
    ]);
    expect(await stream.finished).toEqual({
      reason: "length",
      promptTokens: 2,
      cachedTokens: 0,
      newTokens: 2,
      passes: 3,
      prefillPasses: 1,
      rowSteps: 4,
      accepted: 2,
      discarded: 0,
      drafts: [{ step: 1, drafted: 2, accepted: 2 }],
      kvBytes: 32,
      timeline: [{ rows: [{ position: 2, step: 1 }] }, { rows: [{ position: 3, step: 1 }] }],
      seconds: 0,
    });

    const plain = model.generate([5], { maxNewTokens: 1, verify: false, kv: "last" });
    const { value } = await plain.next();
    expect(wasm.configs[1]).toMatchObject({ maxNewTokens: 1, verify: "off", kv: "last" });
    expect(value).not.toHaveProperty("draftStep");
    expect(value?.drafts).toEqual([]);
    await plain.return();
    expect((await plain.finished).timeline).toEqual([]);
  });

  test("starts with the first next() and not before", async () => {
    const model = await load();
    const stream = model.generate("a bb", { maxNewTokens: 1 });
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(wasm.passes).toBe(0);
    expect(wasm.open).toBe(0);
    expect((await stream.next()).value?.position).toBe(3);
    await stream.return();
  });

  test("break ends the generation", async () => {
    const model = await load();
    const stream = model.generate([1], { maxNewTokens: 1000 });
    for await (const token of stream) if (token.position === 2) break;
    expect(wasm.open).toBe(0);
    expect(wasm.passes).toBe(2);
    expect(await stream.finished).toMatchObject({ reason: "aborted", newTokens: 2 });
    expect((await stream.next()).done).toBe(true);
  });

  test("return() while a token is on its way ends it cleanly; before the first, nothing runs", async () => {
    const model = await load();
    const stream = model.generate([1], { maxNewTokens: 1000 });
    const pending = stream.next();
    await new Promise((resolve) => setTimeout(resolve, 0));
    await stream.return();
    await pending;
    expect((await stream.finished).reason).toBe("aborted");
    expect(wasm.open).toBe(0);

    const never = model.generate([1]);
    const before = wasm.passes;
    await never.return();
    expect(await never.finished).toMatchObject({
      reason: "aborted",
      newTokens: 0,
      rowSteps: 0,
      timeline: [],
    });
    expect(wasm.passes).toBe(before);
  });

  test("an exception in the loop frees the sequence and comes through", async () => {
    const model = await load();
    const loop = async (): Promise<void> => {
      for await (const token of model.generate([1])) throw new Error(`mine ${token.id}`);
    };
    await expect(loop()).rejects.toThrow("mine 2");
    expect(wasm.open).toBe(0);
  });

  test("a signal stops a generation within one pass", async () => {
    const model = await load();
    const abort = new AbortController();
    const stream = model.generate([1], { maxNewTokens: 1000, signal: abort.signal });
    await stream.next();
    const pending = stream.next();
    abort.abort();
    await expect(pending).rejects.toMatchObject({ code: "aborted", name: "AbortError" });
    expect(wasm.passes).toBeLessThanOrEqual(2);
    expect(wasm.open).toBe(0);
    const { reason, newTokens } = await stream.finished;
    expect(reason).toBe("aborted");
    // The pass that ran is counted, whether or not its token was given out.
    expect(newTokens).toBe(wasm.passes);
  });

  test("a signal fired in the loop ends it with the next token asked for", async () => {
    const model = await load();
    const abort = new AbortController();
    const loop = async (): Promise<void> => {
      for await (const token of model.generate([1], { maxNewTokens: 1000, signal: abort.signal })) {
        if (token.position === 3) abort.abort();
      }
    };
    await expect(loop()).rejects.toThrow(AbortedError);
    expect(wasm.passes).toBe(3);
    expect(wasm.open).toBe(0);
  });

  test("a signal that fired before stops everything before it starts", async () => {
    const model = await load();
    const signal = AbortSignal.abort();
    await expect(collect(model.generate([1], { signal }))).rejects.toThrow(AbortedError);
    await expect(model.forward([1], { signal })).rejects.toThrow(AbortedError);
    expect(wasm.passes).toBe(0);
  });

  test("two generations and a forward at once do not disturb each other", async () => {
    const model = await load();
    const [a, b, c] = await Promise.all([
      collect(model.generate([10], { maxNewTokens: 5 })),
      collect(model.generate([50], { maxNewTokens: 7 })),
      model.forward([1, 2, 3], { steps: 2 }),
    ]);
    expect(a).toEqual([11, 12, 13, 14, 15]);
    expect(b).toEqual([51, 52, 53, 54, 55, 56, 57]);
    expect(c.ids).toEqual(Uint32Array.of(1, 2, 3));
    expect(c.exitPdf).toEqual(new Float32Array(6).fill(0.5));
    expect(wasm.open).toBe(0);
  });

  test("text() runs to the end without a loop, and gives the whole text each time", async () => {
    const model = await load();
    const stream = model.generate([5, 6], { maxNewTokens: 4 });
    expect(await Promise.all([stream.text(), stream.text()])).toEqual(["t7 t8 t9 t10 ", "t7 t8 t9 t10 "]);
    expect(await stream.finished).toMatchObject({ reason: "length", newTokens: 4 });
    expect((await stream.next()).done).toBe(true);
    expect(wasm.open).toBe(0);
  });

  test("text() has what a loop had before, and ends with a loop that was left", async () => {
    const model = await load();
    const stream = model.generate([1], { maxNewTokens: 3 });
    await stream.next();
    expect(await stream.text()).toBe("t2 t3 t4 ");

    const left = model.generate([1], { maxNewTokens: 3 });
    await left.next();
    await left.return();
    expect(await left.text()).toBe("t2 ");
    const never = model.generate([1]);
    await never.return();
    expect(await never.text()).toBe("");
  });

  test("text() rejects with what ends the generation early", async () => {
    const model = await load();
    const abort = new AbortController();
    const stopped = model.generate([1], { maxNewTokens: 1000, signal: abort.signal }).text();
    abort.abort();
    await expect(stopped).rejects.toThrow(AbortedError);

    wasm.failure = wasmError("context-full", "the context holds 64 tokens");
    const stream = model.generate([1]);
    const error = await stream.next().catch((thrown: unknown) => thrown);
    // Not part of an answer as if it were the whole.
    await expect(stream.text()).rejects.toBe(error);
  });

  test("several next() at once give the tokens in order", async () => {
    const model = await load();
    const stream = model.generate([1], { maxNewTokens: 2 });
    const results = await Promise.all([stream.next(), stream.next(), stream.next()]);
    expect(results.map(({ value }) => value?.id)).toEqual([2, 3, undefined]);
  });

  test("an error in a pass comes through the loop and `finished`", async () => {
    const model = await load();
    const stream = model.generate([1]);
    await stream.next();
    wasm.failure = wasmError("context-full", "the context holds 64 tokens", { limit: 64, needed: 65 });
    const error = await stream.next().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ContextFullError);
    expect(error).toMatchObject({ details: { limit: 64, needed: 65 } });
    await expect(stream.finished).rejects.toBe(error);
    expect(wasm.open).toBe(0);
  });

  test("what is no error of ours becomes internal, with its cause", async () => {
    const model = await load();
    wasm.failure = new TypeError("undefined is not a function");
    await expect(model.forward([1])).rejects.toEqual(code("internal"));
  });

  test("chat writes the prompt by the template, without more special tokens", async () => {
    const model = await load();
    const messages = [{ role: "user", content: "hello you" }];
    expect(await model.chatPrompt(messages, { enableThinking: false })).toBe(
      'hello you{"addGenerationPrompt":true,"enableThinking":false}',
    );
    const stream = model.chat(messages, { enableThinking: true, maxNewTokens: 2 });
    expect((await collect(stream)).length).toBe(2);
    expect((await stream.finished).promptTokens).toBe(2);
    const failing = model.chat([{ role: "nobody", content: "" }]);
    await expect(failing.next()).rejects.toThrow(TokenizerError);
  });

  test("what runs chat templates is loaded when a conversation begins, from where it is told", async () => {
    const chatWasmUrl = "http://cdn.test/chat.wasm";
    const model = await LoopLM.loadInto(() => engine, { ...REQUEST, chatWasmUrl });
    await collect(model.generate([1, 2]));
    expect(wasm.chatLoads).toEqual([]);
    await model.chatPrompt([{ role: "user", content: "hello" }]);
    expect(wasm.chatLoads).toEqual([chatWasmUrl]);
  });

  test("tokenizes both ways", async () => {
    const model = await load();
    expect(await model.tokenize("a bb")).toEqual(Uint32Array.of(1, 1, 2));
    expect(await model.tokenize("a bb", { addSpecialTokens: false })).toEqual(Uint32Array.of(1, 2));
    expect(await model.detokenize([1, 5, 6])).toBe("5 6");
    expect(await model.detokenize([1, 5], { skipSpecialTokens: false })).toBe("1 5");
    expect(await model.tokenText(7)).toBe("t7");
  });

  test("refuses ids outside the vocabulary, and empty prompts", async () => {
    const model = await load();
    for (const ids of [[100], [-1], [1.5], [NaN], []]) {
      expect(() => model.generate(ids)).toThrow(LoopLMError);
      await expect(model.forward(ids)).rejects.toEqual(code("invalid-argument"));
    }
  });

  test("dispose ends what runs with `disposed`, frees everything, and may be called again", async () => {
    const model = await load();
    const stream = model.generate([1], { maxNewTokens: 1000 });
    await stream.next();
    const running = [stream.next(), model.forward([1])].map((call) => call.catch((error: unknown) => error));
    await Promise.all([model.dispose(), model.dispose()]);
    for (const error of await Promise.all(running)) expect(error).toEqual(code("disposed"));
    expect(wasm.open).toBe(0);
    expect(wasm.disposed).toBe(1);
    expect(wasm.objects).toBe(0);
    expect(worker?.terminated ?? true).toBe(true);
    await expect(model.tokenize("a")).rejects.toEqual(code("disposed"));
    await expect(model.generate([1]).next()).rejects.toEqual(code("disposed"));
    await model.dispose();
    expect(wasm.disposed).toBe(1);
  });

  test("`await using` ends a generation and frees a model", async () => {
    let stream: TokenStream;
    {
      await using model = await load();
      {
        await using left = model.generate([1], { maxNewTokens: 1000 });
        stream = left;
        await left.next();
      }
      expect((await stream.finished).reason).toBe("aborted");
      expect([wasm.open, wasm.disposed]).toEqual([0, 0]);
    }
    expect([wasm.objects, wasm.disposed]).toEqual([0, 1]);
  });

  test("dispose closes generations nobody is waiting for", async () => {
    const model = await load();
    const stream = model.generate([1]);
    await stream.next();
    await model.dispose();
    expect(wasm.open).toBe(0);
    expect(wasm.objects).toBe(0);
    await expect(stream.next()).rejects.toEqual(code("disposed"));
    await expect(stream.finished).rejects.toEqual(code("disposed"));
  });

  test("every generation that ends gives its wasm object back, however it ends", async () => {
    const model = await load();
    expect(wasm.objects).toBe(1);
    await collect(model.generate([1], { maxNewTokens: 2 }));
    for await (const token of model.generate([1])) if (token.position > 0) break;
    const abort = new AbortController();
    const stopped = model.generate([1], { maxNewTokens: 1000, signal: abort.signal });
    await stopped.next();
    const pending = stopped.next();
    abort.abort();
    await expect(pending).rejects.toThrow(AbortedError);
    const left = model.generate([1], { maxNewTokens: 1000 });
    const onItsWay = left.next();
    await new Promise((resolve) => setTimeout(resolve, 0));
    await left.return();
    await onItsWay;
    wasm.failure = wasmError("out-of-memory", "full");
    await expect(collect(model.generate([1]))).rejects.toEqual(code("out-of-memory"));
    expect(wasm.objects).toBe(1);
  });

  test("a model given up while it loads gives its wasm object back", async () => {
    let goOn = (): void => undefined;
    wasm.beforeReady = new Promise((resolve) => (goOn = resolve));
    let begun = (): void => undefined;
    const progress = new Promise<void>((resolve) => (begun = resolve));
    const loading = engine.load(REQUEST, () => begun(), new AbortController().signal);
    const outcome = loading.catch((error: unknown) => error);
    await progress;
    await engine.dispose();
    goOn();
    expect(await outcome).toEqual(code("disposed"));
    await vi.waitFor(() => expect(wasm.disposed).toBe(1));
    await vi.waitFor(() => expect(wasm.objects).toBe(0));
  });

  test("a progress callback that throws does not break the load", async () => {
    const reported: unknown[] = [];
    vi.stubGlobal("reportError", (error: unknown) => reported.push(error));
    await LoopLM.loadInto(
      () => engine,
      REQUEST,
      () => {
        throw new Error("mine");
      },
    );
    expect(reported.length).toBe(5);
  });
});

describe("LoopLM.load", () => {
  test("without WebGPU says how to get it", async () => {
    vi.stubGlobal("document", { baseURI: "http://page.test/" });
    vi.stubGlobal("navigator", { userAgent: "Mozilla/5.0 (X11; Linux x86_64) Firefox/120.0" });
    await expect(LoopLM.load("/m/")).rejects.toMatchObject({
      code: "webgpu-unavailable",
      message: expect.stringContaining("dom.webgpu.enabled"),
    });
  });

  test("checks its options before anything else", async () => {
    await expect(LoopLM.load("/m/", { contextLength: 0 })).rejects.toMatchObject({
      details: { argument: "contextLength" },
    });
    await expect(LoopLM.load([])).rejects.toMatchObject({ details: { argument: "source" } });
    await expect(LoopLM.load("http://")).rejects.toMatchObject({ details: { argument: "source" } });
    const unknown = { colour: 1 } as object;
    await expect(LoopLM.load("http://m.test/", unknown)).rejects.toThrow(/no option "colour"/);
    await expect(LoopLM.load("http://m.test/", { signal: AbortSignal.abort() })).rejects.toThrow(
      AbortedError,
    );
  });
});
