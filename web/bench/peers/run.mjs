// looplm against what one would pick instead, in turns in one browser: README.md says what is compared and how.
//
//   node web/bench/peers/run.mjs --size 10m [--size 125m] [--prompt 128]... [--tokens 16] [--rounds 3]
//     [--only looplm,onnxruntime,transformers,wllama] [--format q4|stored] [--kv f16|f32] [--browser chromium|firefox] [--gpu] [--half] [--cpu] [--no-workgroup-init]
//     [--json FILE] [--verbose]
//
// Without --gpu WebGPU runs on the CPU (SwiftShader); with it on whatever GPU Chromium finds.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { launch } from "./browser.mjs";
import { need, record, stop } from "./command.mjs";
import { measure } from "./measure.mjs";
import { print } from "./report.mjs";
import { ROOT, serve } from "./serve.mjs";

const PEERS = "web/bench/peers";
/** By name: what a contestant needs to be there, and whether it computes the very same model. */
const CONTESTANTS = {
  looplm: { needs: "pkg/dist/wasm/looplm_bg.wasm", exact: true },
  onnxruntime: { needs: `${PEERS}/node_modules/onnxruntime-web`, exact: true },
  transformers: { needs: `${PEERS}/node_modules/@huggingface/transformers`, exact: true },
  wllama: { needs: `${PEERS}/node_modules/@wllama/wllama`, exact: false },
};

const { values: options } = parseArgs({
  options: {
    size: { type: "string", multiple: true, default: ["10m"] },
    prompt: { type: "string", multiple: true, default: ["128"] },
    tokens: { type: "string", default: "16" },
    rounds: { type: "string", default: "3" },
    only: { type: "string" },
    format: { type: "string", default: "q4" },
    kv: { type: "string", default: "f16" },
    browser: { type: "string", default: "chromium" },
    gpu: { type: "boolean", default: false },
    half: { type: "boolean", default: false },
    cpu: { type: "boolean", default: false },
    "no-workgroup-init": { type: "boolean", default: false },
    json: { type: "string" },
    verbose: { type: "boolean", default: false },
  },
});

const names = options.only ? options.only.split(",") : Object.keys(CONTESTANTS);
for (const name of names) {
  if (!CONTESTANTS[name]) stop(`there is no contestant ${name}, only ${Object.keys(CONTESTANTS).join(", ")}`);
  need(CONTESTANTS[name].needs, `cargo xtask build && npm --prefix ${PEERS} ci`);
}
if (!["chromium", "firefox"].includes(options.browser)) stop("--browser is chromium or firefox");
if (options.browser === "firefox" && (options.gpu || options["no-workgroup-init"]))
  stop("--gpu and --no-workgroup-init are Chromium's: Firefox takes whatever Vulkan driver the system has");
const models = options.size.map((size) => {
  const folder = `${PEERS}/models/${size}`;
  need(`${folder}/bench.json`, `python ${PEERS}/model/generate.py --size ${size} --out ${folder}`);
  if (options.half) {
    need(`${folder}/onnx/onnx/model_q4f16.onnx`, `the same with --half`);
  }
  return { folder, ...JSON.parse(readFileSync(join(ROOT, folder, "bench.json"), "utf8")) };
});

const server = await serve();
const browser = await launch({
  browser: options.browser,
  gpu: options.gpu,
  workgroupInit: !options["no-workgroup-init"],
});
const results = [];
try {
  for (const model of models) {
    const result = await measure({
      browser,
      origin: `http://localhost:${server.address().port}`,
      model,
      contestants: names.map((name) => ({ name, exact: CONTESTANTS[name].exact })),
      lengths: options.prompt.map(Number),
      tokens: Number(options.tokens),
      rounds: Number(options.rounds),
      verbose: options.verbose,
      load: {
        format: options.format,
        kv: options.kv,
        half: options.half,
        cpu: options.cpu,
        verbose: options.verbose,
      },
    });
    results.push(result);
    print(result);
  }
} finally {
  await browser.close();
  server.close();
}
if (options.json) record(options.json, { [options.browser]: await browser.version() }, results);
