// A browser without WebGPU: a Chromium started without the flags that let it compute on the CPU, a Firefox with it switched off.
import assert from "node:assert/strict";
import { test } from "node:test";
import { FIREFOX, noWorkerLeft, thrownBy, usePage } from "./browser.mjs";

const tab = usePage({ webgpu: false });

test("isWebGPUAvailable says no, and what to do", async () => {
  const found = await tab.page.evaluate(async () => (await import("/looplm/index.js")).isWebGPUAvailable());
  assert.equal(found.available, false);
  assert.match(found.reason, FIREFOX ? /about:config/ : /hardware acceleration|Chrome and Edge have it/);
});

for (const worker of [true, false]) {
  test(`load throws webgpu-unavailable, ${worker ? "from the Worker" : "in the page"}`, async () => {
    const error = await thrownBy(
      tab.page,
      async (worker) => {
        const { LoopLM } = await import("/looplm/index.js");
        await LoopLM.load("/fixtures/f32-mha/model", { worker });
      },
      worker,
    );
    assert.equal(error.code, "webgpu-unavailable");
    assert.equal(error.name, "WebGPUUnavailableError");
    assert.match(error.message, FIREFOX ? /about:config/ : /chrome:\/\/gpu/);
    await noWorkerLeft(tab.page);
  });
}
