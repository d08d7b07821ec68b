// Shaders that no adapter of the tests would choose, as GPUs do: the browser's own compiler takes them, too.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { usePage } from "./browser.mjs";

const tab = usePage();
const wasm = readFileSync(new URL("../../../pkg/dist/wasm/looplm_bg.wasm", import.meta.url), "latin1");

/** As `Tuning::packed_for` has them for few outputs and for many, four rows at once. */
const SHAPES = [
  { LANES: 64, TEAMS: 4, FEW_SLOTS: 4, AHEAD: 1 },
  { LANES: 16, TEAMS: 8, FEW_SLOTS: 8, AHEAD: 0 },
];

for (const name of ["linear_packed", "qkv_packed", "swiglu_packed"]) {
  test(`${name} compiles`, async () => {
    const [begin, end] = [`// ${name}\n`, `\n// end of ${name}\n`].map((line) => wasm.indexOf(line));
    assert.ok(begin >= 0 && end > begin, "the package has the text");
    const code = wasm.slice(begin, end);
    assert.match(code, /dot4I8Packed/);
    for (const shape of SHAPES) {
      for (const WEIGHT_FORMAT of [3, 4]) {
        const constants = {
          ...shape,
          WEIGHT_FORMAT,
          WIDE: 1,
          STAGED: 1,
          FEW_ROWS: 4,
          K_BLOCKS: 9,
          WEIGHT_BLOCKS: 12,
        };
        assert.deepEqual(await tab.page.evaluate(faults, { code, constants }), []);
      }
    }
  });
}

/** In the page: what the compiler has against the shader, and the device against the pipeline. */
async function faults({ code, constants }) {
  const adapter = await navigator.gpu.requestAdapter();
  const { maxComputeWorkgroupStorageSize } = adapter.limits;
  const device = await adapter.requestDevice({ requiredLimits: { maxComputeWorkgroupStorageSize } });
  const module = device.createShaderModule({ code });
  const { messages } = await module.getCompilationInfo();
  const said = messages.filter(({ type }) => type !== "info").map(({ message }) => message);
  await device
    .createComputePipelineAsync({ layout: "auto", compute: { module, entryPoint: "main_few", constants } })
    .catch((error) => said.push(error.message));
  device.destroy();
  return said;
}
