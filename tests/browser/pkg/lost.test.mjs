// The GPU goes away, in a real browser: the model comes back, and what was said is what would have been said.
// What load() below leaves in the page.
/* global lose, collect, losing */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { noWorkerLeft, thrownBy, usePage } from "./browser.mjs";
import { serveModel } from "./model-server.mjs";
import { syntheticModel } from "./synthetic-model.mjs";

const tab = usePage();
let server;
after(() => server?.close());

const FIXTURE = "/fixtures/f32-mha/model";

/** Leaves a model in the page as `model`, its events in `events`, and `lose` to take the GPU away. */
async function load(url, options = {}) {
  await tab.page.evaluate(
    async ([url, options]) => {
      await import("/in-page/gpu.mjs");
      if (globalThis.lose === undefined) {
        // A Worker has a GPU of its own, to be taken away there.
        const { Worker } = globalThis;
        globalThis.Worker = class extends Worker {
          constructor(script, options) {
            const imports = [new URL("/in-page/gpu.mjs", location.href), script];
            const code = imports.map((file) => `import ${JSON.stringify(String(file))};`).join("\n");
            super(URL.createObjectURL(new Blob([code], { type: "text/javascript" })), options);
          }
        };
        const channel = new BroadcastChannel("gpu");
        globalThis.lose = () => channel.postMessage({ lose: true });
        globalThis.collect = async (stream, each = () => undefined) => {
          const tokens = [];
          for await (const token of stream) {
            tokens.push(token);
            await each(tokens.length);
          }
          return { tokens, finish: await stream.finished };
        };
        /** Takes the GPU away, and waits until the model knows. */
        globalThis.losing = (from = model) =>
          new Promise((resolve) => {
            from.addEventListener("lost", resolve, { once: true });
            lose();
          });
      }
      const { LoopLM } = await import("/looplm/index.js");
      await globalThis.model?.dispose();
      globalThis.events = [];
      // What only longer prompts need is not compiled, each time.
      globalThis.model = await LoopLM.load(url, { maxRows: 16, ...options });
      const heard = globalThis.events;
      model.addEventListener("lost", ({ detail }) => heard.push(detail.restoring ? "lost" : "gone"));
      model.addEventListener("restored", () => heard.push("restored"));
    },
    [url, options],
  );
}

// What answers go on with, of which the first two are tried in the page, too.
const ANSWERS = [
  ["sampled with a penalty", { temperature: 1.5, seed: 7, repetitionPenalty: 1.3 }],
  ["guessing", { exit: { step: 1 }, verify: "always" }],
  ["greedy", {}],
  ["sampled", { temperature: 1.5, seed: 7 }],
  ["leaving early", { temperature: 1.2, seed: 3, exit: { gate: 0.5 }, verify: false }],
  ["with another KV policy", { temperature: 1.2, seed: 3, exit: { gate: 0.5 }, kv: "last-exited" }],
];

for (const worker of [true, false]) {
  describe(worker ? "in a Worker" : "in the page", () => {
    for (const [i, [what, options]] of (worker ? ANSWERS : ANSWERS.slice(0, 2)).entries()) {
      const twice = i === 0;
      test(`${what}: the text is that of an undisturbed run`, async () => {
        await load(FIXTURE, { worker });
        const cutting = async ([options, twice]) => {
          const generate = (each) =>
            collect(model.generate([1, 2, 3], { ...options, maxNewTokens: 40 }), each);
          const whole = await generate();
          // While the next are on their way: not the last, which come up to 16 at a time. Before it, between two tokens.
          const cut = await generate((n) => (twice && n === 5 ? losing() : n === 12 ? lose() : undefined));
          // The last loss may be heard of only now.
          await model.tokenText(1);
          return { whole, cut, events: globalThis.events };
        };
        const { whole, cut, events } = await tab.page.evaluate(cutting, [options, twice]);
        const ids = ({ tokens }) => tokens.map(({ id, position }) => [id, position]);
        assert.equal(whole.tokens.length, 40);
        assert.deepEqual(ids(cut), ids(whole));
        assert.deepEqual(
          events,
          Array(twice ? 2 : 1)
            .fill(["lost", "restored"])
            .flat(),
        );
        const { reason, promptTokens, newTokens } = cut.finish;
        assert.deepEqual([reason, promptTokens, newTokens], ["length", 3, 40]);
        assert.ok(cut.finish.prefillPasses > whole.finish.prefillPasses);
        assert.ok(cut.finish.rowSteps > whole.finish.rowSteps);
      });
    }

    test("a stop text that lies across the loss is found, and is not part of the text", async () => {
      await load("/models/shell-game/", { worker });
      const { free, whole, cuts, stop } = await tab.page.evaluate(async () => {
        const options = { maxNewTokens: 8, temperature: 2, seed: 3 };
        const text = ({ tokens, finish }) => ({ text: tokens.map(({ text }) => text).join(""), ...finish });
        const free = text(await collect(model.generate("swap12 left", options)));
        // From within the third word to within the fifth.
        const words = free.text.trim().split(/\s+/);
        const stop = `${words[2].slice(1)} ${words[3]} ${words[4][0]}`;
        const run = (each) => collect(model.generate("swap12 left", { ...options, stop: [stop] }), each);
        const whole = text(await run());
        const cuts = [];
        for (const after of [3, 4]) cuts.push(text(await run((n) => (n === after ? losing() : undefined))));
        return { free, whole, cuts, stop };
      });
      assert.equal(whole.reason, "stop");
      assert.ok(free.text.startsWith(whole.text) && !whole.text.includes(stop));
      for (const cut of cuts) {
        assert.equal(cut.text, whole.text);
        assert.deepEqual([cut.reason, cut.newTokens], ["stop", whole.newTokens]);
      }
    });

    test("a loss is noticed while nothing runs, and the model is there again", async () => {
      await load(FIXTURE, { worker });
      const { before, after, events } = await tab.page.evaluate(async () => {
        const logits = async () => [...(await model.forward([1, 2, 3], { logits: true })).logits];
        const before = await logits();
        const restored = new Promise((resolve) =>
          model.addEventListener("restored", resolve, { once: true }),
        );
        lose();
        const { detail } = await restored;
        if (!(detail.seconds > 0)) throw new Error(`${detail.seconds} seconds`);
        return { before, after: await logits(), events: globalThis.events };
      });
      assert.deepEqual(after, before);
      assert.deepEqual(events, ["lost", "restored"]);
      // The Worker of before is gone.
      await noWorkerLeft(tab.page, worker ? 1 : 0);
    });

    test("calls that are under way are made again", async () => {
      await load("/models/shell-game/", { worker });
      const { apart, together, events } = await tab.page.evaluate(async () => {
        const prompt = "swap12 left swap23";
        const forward = async () => (await model.forward(prompt, { gate: 0.5 })).exitSteps;
        const answer = async () =>
          (await collect(model.generate(prompt, { maxNewTokens: 8 }))).tokens.map(({ id }) => id);
        const apart = [await forward(), await answer(), [...(await model.tokenize(prompt))]];
        const calls = [forward(), answer()];
        lose();
        calls.push(model.tokenize(prompt).then((ids) => [...ids]));
        const together = await Promise.all(calls);
        await model.tokenText(1);
        return { apart, together, events: globalThis.events };
      });
      assert.deepEqual(together, apart);
      assert.deepEqual(events, ["lost", "restored"]);
    });

    test("after the third time it is not restored any more, and the error says so", async () => {
      await load(FIXTURE, { worker });
      const error = await thrownBy(tab.page, () =>
        collect(model.generate([1, 2, 3], { maxNewTokens: 40 }), (n) => (n % 5 === 0 ? losing() : undefined)),
      );
      assert.equal(error.name, "DeviceLostError");
      assert.match(error.message, /3 times within 5 minutes/);
      const again = await thrownBy(tab.page, () => model.forward([1]));
      assert.deepEqual(again, error);
      const events = await tab.page.evaluate(() => globalThis.events);
      assert.deepEqual(events, [...Array(3).fill(["lost", "restored"]).flat(), "gone"]);
      // Nothing is left of it.
      await noWorkerLeft(tab.page);
    });

    test("dispose and signals need not wait for the restoration", async () => {
      await load(FIXTURE, { worker });
      const outcome = await tab.page.evaluate(async () => {
        const abort = new AbortController();
        const stream = model.generate([1, 2], { maxNewTokens: 20, signal: abort.signal });
        await stream.next();
        const other = model.generate([1, 2], { maxNewTokens: 20 });
        await other.next();
        await losing();
        const [aborted, disposed] = [stream.next(), other.next()].map((next) =>
          next.catch(({ code }) => code),
        );
        abort.abort();
        const codes = [await aborted];
        await model.dispose();
        codes.push(await disposed);
        return { codes, finish: await stream.finished, events: globalThis.events };
      });
      assert.deepEqual(outcome.codes, ["aborted", "disposed"]);
      assert.deepEqual([outcome.finish.reason, outcome.finish.newTokens], ["aborted", 1]);
      assert.deepEqual(outcome.events, ["lost"]);
      await noWorkerLeft(tab.page);
    });

    test("restore: false leaves it at the error", async () => {
      await load(FIXTURE, { worker, restore: false });
      const error = await thrownBy(tab.page, async () => {
        await losing();
        await model.forward([1]);
      });
      assert.equal(error.code, "device-lost");
      assert.match(error.message, /load the model again/);
      assert.deepEqual(await tab.page.evaluate(() => globalThis.events), ["gone"]);
    });
  });
}

test("a model from another server comes back from the cache, also when the server is gone", async () => {
  server = await serveModel(
    syntheticModel({ vocab: 1024, hidden: 64, intermediate: 128, layers: 2, heads: 2 }),
  );
  await load(server.url, { format: "q4" });
  const weights = () =>
    server.requests.splice(0).filter(({ path, range }) => path === "model.safetensors" && range?.[0] > 1);
  assert.ok(weights().length > 0);
  const generate = (at) =>
    collect(model.generate([1, 2, 3], { maxNewTokens: 12 }), (n) => (n === at ? losing() : undefined));
  const ids = async (at) => (await tab.page.evaluate(`(${generate})(${at})`)).tokens.map(({ id }) => id);
  const whole = await ids(0);
  assert.deepEqual(await ids(4), whole);
  assert.deepEqual(weights(), []);
  await server.close();
  assert.deepEqual(await ids(6), whole);
  assert.deepEqual(await tab.page.evaluate(() => globalThis.events), [
    "lost",
    "restored",
    "lost",
    "restored",
  ]);
});
