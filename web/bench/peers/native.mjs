// looplm against onnxruntime natively, in turns, each in a process of its own: README.md says what is compared and how.
//
//   node web/bench/peers/native.mjs --size 1.4b [--prompt 128]... [--tokens 16] [--rounds 3]
//     [--only looplm,onnxruntime,onnxruntime-cpu] [--format q4|stored] [--kv f16] [--half] [--json FILE] [--verbose]
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { need, record, stop } from "./command.mjs";
import { measureNatively } from "./native/measure.mjs";
import { print } from "./report.mjs";
import { ROOT } from "./serve.mjs";

const PEERS = "web/bench/peers";

const { values: options } = parseArgs({
  options: {
    size: { type: "string", default: "10m" },
    prompt: { type: "string", multiple: true, default: ["128"] },
    tokens: { type: "string", default: "16" },
    rounds: { type: "string", default: "3" },
    only: { type: "string", default: "looplm,onnxruntime,onnxruntime-cpu" },
    format: { type: "string", default: "q4" },
    kv: { type: "string", default: "f16" },
    half: { type: "boolean", default: false },
    json: { type: "string" },
    verbose: { type: "boolean", default: false },
  },
});

const folder = `${PEERS}/models/${options.size}`;
const graph = `${folder}/onnx/onnx/cache_${options.half ? "q4f16" : "q4"}.onnx`;
const generate = `python ${PEERS}/model/generate.py --size ${options.size} --no-gguf --out ${folder}`;
need(`${folder}/bench.json`, generate);
need(graph, options.half ? `${generate} --half` : generate);
need(`${PEERS}/node_modules/onnxruntime-node`, `npm --prefix ${PEERS} ci`);

const { half, verbose, format, kv } = options;
const ort = ["node", [`${PEERS}/native/onnxruntime.mjs`, folder, ...(half ? ["--half"] : [])]];
const answers = ["run", "--quiet", "--release", "-p", "looplm", "--example", "answers", "--"];
const CONTESTANTS = {
  looplm: ["cargo", [...answers, `${folder}/looplm`, "--format", format, "--kv", kv]],
  onnxruntime: [ort[0], [...ort[1], "--provider", "webgpu"]],
  "onnxruntime-cpu": [ort[0], [...ort[1], "--provider", "cpu"]],
};
const names = options.only.split(",");
for (const name of names) {
  if (!CONTESTANTS[name]) stop(`there is no contestant ${name}, only ${Object.keys(CONTESTANTS).join(", ")}`);
}

const result = await measureNatively({
  model: JSON.parse(readFileSync(join(ROOT, folder, "bench.json"), "utf8")),
  contestants: names.map((name) => ({ name, program: CONTESTANTS[name] })),
  lengths: options.prompt.map(Number),
  tokens: Number(options.tokens),
  rounds: Number(options.rounds),
  load: { format, kv, half },
  verbose,
});
print(result);
if (options.json) record(options.json, { node: process.version }, [result]);
