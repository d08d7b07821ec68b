// Shaders in a real browser: compiled without holding the page up, while the weights come, and none for a first token.
import assert from "node:assert/strict";
import { test } from "node:test";
import { usePage } from "./browser.mjs";

const tab = usePage();

/** Loads with the engine in the page and asks for tokens; how pipelines were made before and after, and what was told. */
async function loadAndAsk(url) {
  const { LoopLM } = await import("/looplm/index.js");
  const made = { createComputePipeline: 0, createComputePipelineAsync: 0 };
  const prototype = GPUDevice.prototype;
  const own = {};
  for (const name of Object.keys(made)) {
    own[name] = prototype[name];
    prototype[name] = function (descriptor) {
      made[name]++;
      return own[name].call(this, descriptor);
    };
  }
  const told = [];
  const model = await LoopLM.load(url, {
    worker: false,
    cache: false,
    onProgress: ({ phase, loaded, total, done }) => told.push({ phase, loaded, total, done }),
  });
  const loaded = { ...made };
  const lengths = [];
  for (const length of [1, 3, 20]) {
    const prompt = Uint32Array.from({ length }, (_, i) => i + 1);
    const options = { maxNewTokens: 1, temperature: 1, seed: 1, trace: { topK: 2 } };
    for await (const token of model.generate(prompt, options)) lengths.push(token.position);
  }
  await model.dispose();
  Object.assign(prototype, own);
  return { loaded, asked: made, told, lengths };
}

test("pipelines are made by the browser in its own time, and a first token needs no more of them", async () => {
  const url = `${tab.origin}/fixtures/f32-mha/model/`;
  const { loaded, asked, told, lengths } = await tab.page.evaluate(loadAndAsk, url);
  const compile = told.filter(({ phase }) => phase === "compile");
  const { done, total } = compile.at(-1);
  assert.equal(done, total);
  const begun = loaded.createComputePipelineAsync;
  assert.ok(total > 10 && total < begun, `the load waits for ${total} of ${begun}`);
  assert.ok(begun <= 25, `${begun} pipelines`);
  assert.ok(
    compile.every(({ loaded, done }) => loaded === done),
    "loaded is as good as done",
  );
  const order = told.map(({ phase }) => phase).filter((phase, i, all) => phase !== all[i - 1]);
  assert.deepEqual(order.slice(-3), ["weights", "compile", "ready"]);
  assert.equal(loaded.createComputePipeline, 0);
  assert.deepEqual(lengths, [1, 3, 20]);
  assert.deepEqual(asked, loaded, "a first token compiles nothing more");
});
