// onnxruntime-web's WebGPU provider, driven directly: as fast as it goes. Keys and values are written in place, into buffers that
// are past and present at once, instead of being copied for every token; of the logits only the last row is computed and read.
import * as ort from "onnxruntime-web/webgpu";
import { argmax } from "./argmax.js";

const DIST = "/web/bench/peers/node_modules/onnxruntime-web/dist/";
/** Capacities are multiples of this many tokens. */
const CHUNK = 64;

export async function load(folder, model, { half, verbose }) {
  ort.env.wasm.wasmPaths = DIST;
  const session = await ort.InferenceSession.create(
    `${folder}/onnx/onnx/model_${half ? "q4f16" : "q4"}.onnx`,
    { executionProviders: ["webgpu"], logSeverityLevel: verbose ? 0 : 3 },
  );
  const caches = new Caches(await ort.env.webgpu.device, model.size, half);
  const int64 = (values, dims) => new ort.Tensor("int64", BigInt64Array.from(values, BigInt), dims);

  return {
    notes: [`onnxruntime-web ${ort.env.versions.web}`, half ? "f16 activations" : "f32 activations"],
    async generate(ids, count, onToken) {
      caches.reserve(ids.length + count);
      let given = ids;
      let length = 0;
      for (let n = 0; n < count; n++) {
        length += given.length;
        const { logits } = await session.run(
          {
            input_ids: int64(given, [1, given.length]),
            attention_mask: int64(new Array(length).fill(1), [1, length]),
            num_logits_to_keep: int64([1], []),
            ...caches.past,
          },
          { logits: null, ...caches.present },
        );
        const id = argmax(logits.data);
        onToken(id);
        given = [id];
      }
    },
    async dispose() {
      await session.release();
      caches.release();
    },
  };
}

/** Keys and values of each step and layer, for as many tokens as asked for. */
class Caches {
  past = {};
  present = {};
  #capacity = 0;
  #buffers = [];

  constructor(device, size, half) {
    Object.assign(this, { device, size, type: half ? "float16" : "float32", bytes: half ? 2 : 4 });
  }

  reserve(tokens) {
    if (tokens <= this.#capacity) return;
    this.release();
    this.#capacity = Math.ceil(tokens / CHUNK) * CHUNK;
    const { steps, num_hidden_layers, num_attention_heads, head_dim } = this.size;
    const dims = [1, num_attention_heads, this.#capacity, head_dim];
    for (let i = 0; i < steps * num_hidden_layers; i++) {
      for (const kind of ["key", "value"]) {
        const tensor = ort.Tensor.fromGpuBuffer(this.#buffer(dims), { dataType: this.type, dims });
        this.past[`past_key_values.${i}.${kind}`] = tensor;
        this.present[`present.${i}.${kind}`] = tensor;
      }
    }
  }

  #buffer(dims) {
    const buffer = this.device.createBuffer({
      size: this.bytes * dims.reduce((product, n) => product * n),
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
    });
    this.#buffers.push(buffer);
    return buffer;
  }

  release() {
    for (const buffer of this.#buffers) buffer.destroy();
    this.#buffers = [];
  }
}
