// onnxruntime natively, driven directly, as contestants/onnxruntime.js does in a browser: a program that speaks the lines of
// crates/looplm/examples/answers.rs.
//
//   node onnxruntime.mjs FOLDER [--provider webgpu|cpu] [--half] [--placements]
//
// With --placements it loads the model with a log that says where each node runs, and ends.
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import ort from "onnxruntime-node";
import { argmax } from "../contestants/argmax.js";
import { Caches } from "./caches.mjs";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    provider: { type: "string", default: "webgpu" },
    half: { type: "boolean", default: false },
    placements: { type: "boolean", default: false },
  },
});
const [folder] = positionals;
const { size } = JSON.parse(readFileSync(`${folder}/bench.json`, "utf8"));
const say = (line) => process.stdout.write(JSON.stringify(line) + "\n");

const started = performance.now();
const session = await ort.InferenceSession.create(
  `${folder}/onnx/onnx/model_${options.half ? "q4f16" : "q4"}.onnx`,
  {
    executionProviders: [options.provider],
    intraOpNumThreads: availableParallelism(),
    logSeverityLevel: options.placements ? 0 : 3,
  },
);
if (options.placements) process.exit();
const caches = await Caches.create(ort, folder, size, options);
say({
  loaded: {
    ms: performance.now() - started,
    notes: [
      `onnxruntime-node ${ort.env.versions.node}`,
      `${options.provider} provider`,
      options.half ? "f16 activations" : "f32 activations",
    ],
  },
});

for await (const line of createInterface({ input: process.stdin })) {
  const { ids, count } = JSON.parse(line);
  await answer(ids, count);
}
process.exit();

async function answer(ids, count) {
  const started = performance.now();
  await caches.reserve(ids.length + count);
  const answer = { ids: [], first: null, last: null };
  let given = ids;
  let length = 0;
  while (answer.ids.length < count) {
    length += given.length;
    const feeds = {
      input_ids: int64(given, [1, given.length]),
      attention_mask: int64(new Array(length).fill(1), [1, length]),
      num_logits_to_keep: int64([1], []),
      ...caches.past,
    };
    const { logits } = await session.run(feeds, { logits: null, ...caches.present });
    given = [argmax(logits.data)];
    answer.ids.push(given[0]);
    answer.last = performance.now() - started;
    if (answer.first === null) {
      answer.first = answer.last;
      say({ first: answer.first });
    }
  }
  say({ answer });
}

function int64(values, dims) {
  return new ort.Tensor("int64", BigInt64Array.from(values, BigInt), dims);
}
