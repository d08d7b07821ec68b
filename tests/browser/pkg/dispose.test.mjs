// What a model that is disposed of leaves behind: nothing.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { noWorkerLeft, usePage } from "./browser.mjs";

const tab = usePage();

// In a browser without a GPU a load is seconds of compiling; LOOPLM_LOADS has more of them.
const LOADS = Number(process.env.LOOPLM_LOADS ?? 8);

describe("dispose frees the GPU", () => {
  test("time and again in the page: every buffer and every device is destroyed, and the wasm does not grow", async () => {
    const { lost, created, left, sizes } = await tab.page.evaluate(async (loads) => {
      const { LoopLM } = await import("/looplm/index.js");
      const devices = [];
      const buffers = new Set();
      let created = 0;
      const left = [];
      const sizes = [];
      const { requestDevice } = GPUAdapter.prototype;
      const { createBuffer } = GPUDevice.prototype;
      const { destroy } = GPUBuffer.prototype;
      GPUDevice.prototype.createBuffer = function (...args) {
        const buffer = createBuffer.apply(this, args);
        buffers.add(buffer);
        created++;
        return buffer;
      };
      GPUBuffer.prototype.destroy = function () {
        buffers.delete(this);
        return destroy.call(this);
      };
      GPUAdapter.prototype.requestDevice = async function (...args) {
        const device = await requestDevice.apply(this, args);
        devices.push(device);
        return device;
      };
      try {
        for (let i = 0; i < loads; i++) {
          const model = await LoopLM.load("/models/shell-game/", { worker: false });
          if (i % 5 === 0) await model.generate("swap12 left", { maxNewTokens: 2 }).next();
          await model.dispose();
          left.push(buffers.size);
          // Started by the first load; asked again it gives what is there.
          const { memory } = await (await import("/looplm/wasm/looplm.js")).default();
          sizes.push(memory.buffer.byteLength);
        }
      } finally {
        GPUAdapter.prototype.requestDevice = requestDevice;
        GPUDevice.prototype.createBuffer = createBuffer;
        GPUBuffer.prototype.destroy = destroy;
      }
      const late = new Promise((resolve) => setTimeout(resolve, 5000, { reason: "still there" }));
      const lost = devices.map(async (device) => (await Promise.race([device.lost, late])).reason);
      return { lost: await Promise.all(lost), created, left, sizes };
    }, LOADS);
    assert.deepEqual(lost, Array(LOADS).fill("destroyed"));
    assert.ok(created > LOADS * 10, `${created} buffers`);
    assert.deepEqual(left, Array(LOADS).fill(0));
    // A model has 220 kB of weights: far less than one for each that came after the third.
    const grown = sizes.at(-1) - sizes[2];
    assert.ok(grown <= (LOADS - 3) * 100e3, `${sizes} bytes`);
  });

  test("time and again in Workers", async () => {
    const answers = await tab.page.evaluate(async (loads) => {
      const { LoopLM } = await import("/looplm/index.js");
      const answers = [];
      for (let i = 0; i < loads; i++) {
        const model = await LoopLM.load("/models/shell-game/");
        // Where memory runs out, the last is the one to notice.
        if (i === 0 || i === loads - 1)
          answers.push([...(await model.forward("swap12 left swap23")).exitPdf]);
        await model.dispose();
      }
      return answers;
    }, LOADS);
    assert.equal(answers.length, 2);
    assert.deepEqual(answers[0], answers[1]);
    await noWorkerLeft(tab.page);
  });
});
