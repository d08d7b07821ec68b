// A GPU with too little memory for a model: what is said, when, what is left of it, and that what is suggested works.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { noWorkerLeft, thrownBy, usePage } from "./browser.mjs";
import { serveModel } from "./model-server.mjs";
import { syntheticModel } from "./synthetic-model.mjs";

/** 88 MB of weights as stored, 33 in q4, beside 20 of workspace. */
const model = syntheticModel({ vocab: 16384, hidden: 512, intermediate: 1536, layers: 8, heads: 8 });
const ENOUGH_FOR_Q4 = 70_000_000;

const tab = usePage();
let server;
before(async () => void (server = await serveModel(model)));
after(() => server?.close());

/** Loads in the page, and computes a token to see that it works; the format it is held in. */
async function loadAndRun([url, options]) {
  const { LoopLM } = await import("/looplm/index.js");
  const model = await LoopLM.load(url, options);
  const { exitPdf } = await model.forward([1, 2, 3]);
  const { format } = model.info;
  await model.dispose();
  return exitPdf.every(Number.isFinite) ? format : "nonsense";
}

/** Bytes of weights that the server was asked for. */
function fetched() {
  const weights = server.requests.filter(({ path }) => path.endsWith(".safetensors"));
  return weights.reduce((sum, { range }) => sum + (range ? range[1] - range[0] + 1 : Infinity), 0);
}

for (const worker of [true, false]) {
  test(`a limit that the model exceeds is told before the download, worker: ${worker}`, async () => {
    server.requests.length = 0;
    const options = { memoryLimit: ENOUGH_FOR_Q4, worker };
    const error = await thrownBy(tab.page, loadAndRun, [server.url, options]);
    assert.equal(error.code, "out-of-memory");
    assert.equal(error.name, "OutOfMemoryError");
    assert.deepEqual(error.details.suggestion, { format: "q4" });
    assert.equal(error.details.available, ENOUGH_FOR_Q4);
    assert.ok(error.details.needed > ENOUGH_FOR_Q4);
    assert.match(error.message, /what would fit is q4 \(\d+\.\d MB of weights instead of \d+\.\d MB\)/);
    assert.ok(fetched() < 2 ** 20, `${fetched()} bytes were fetched`);
    const suggested = { ...options, ...error.details.suggestion };
    assert.equal(await tab.page.evaluate(loadAndRun, [server.url, suggested]), "q4");
  });

  test(`so is a binding that something does not fit into, worker: ${worker}`, async () => {
    server.requests.length = 0;
    const options = { maxBindingSize: 2 ** 20, worker };
    const error = await thrownBy(tab.page, loadAndRun, [server.url, options]);
    assert.equal(error.code, "adapter-too-small");
    assert.ok(fetched() < 2 ** 20, `${fetched()} bytes were fetched`);
  });
}

test("where the GPU itself gives no more, nothing is left, and what is suggested loads", async () => {
  const outcome = await tab.page.evaluate(
    async ([url, memory]) => {
      await import("/in-page/gpu.mjs");
      const channel = new BroadcastChannel("gpu");
      channel.postMessage({ memory });
      await new Promise((resolve) => setTimeout(resolve, 50));
      const buffers = new Set();
      const { createBuffer } = GPUDevice.prototype;
      const { destroy } = GPUBuffer.prototype;
      GPUDevice.prototype.createBuffer = function (...args) {
        const buffer = createBuffer.apply(this, args);
        buffers.add(buffer);
        return buffer;
      };
      GPUBuffer.prototype.destroy = function () {
        buffers.delete(this);
        return destroy.call(this);
      };
      const { LoopLM } = await import("/looplm/index.js");
      const options = { worker: false, cache: false };
      try {
        const error = await LoopLM.load(url, options).catch((error) => error);
        const left = buffers.size;
        const { code, details } = error;
        const model = await LoopLM.load(url, { ...options, ...details.suggestion });
        const { format } = model.info;
        await model.forward([1, 2, 3]);
        await model.dispose();
        return { code, details, left, format, after: buffers.size };
      } finally {
        channel.postMessage({ memory: Infinity });
        channel.close();
        Object.assign(GPUDevice.prototype, { createBuffer });
        Object.assign(GPUBuffer.prototype, { destroy });
      }
    },
    [server.url, ENOUGH_FOR_Q4],
  );
  const { available, suggestion } = outcome.details;
  assert.equal(outcome.code, "out-of-memory");
  assert.ok(available > 0.9 * ENOUGH_FOR_Q4 && available <= ENOUGH_FOR_Q4, `${available}`);
  assert.equal(suggestion.format, "q4");
  assert.equal(outcome.format, "q4");
  assert.deepEqual([outcome.left, outcome.after], [0, 0]);
  await noWorkerLeft(tab.page);
});
