// Keys and values of each step and layer, past and present at once, so that they are written in place. On the GPU they are what a model
// of one node puts there: onnxruntime-node makes no such tensors otherwise, and does not write into them where a session has preferred
// locations of its own.

/** Capacities are multiples of this many tokens. */
const CHUNK = 64;

export class Caches {
  past = {};
  present = {};
  #capacity = 0;

  static async create(ort, folder, size, { provider, half }) {
    const caches = new Caches();
    Object.assign(caches, { ort, size, half });
    if (provider !== "cpu") {
      caches.maker = await ort.InferenceSession.create(
        `${folder}/onnx/onnx/cache_${half ? "q4f16" : "q4"}.onnx`,
        {
          executionProviders: [provider],
          preferredOutputLocation: "gpu-buffer",
          logSeverityLevel: 3,
        },
      );
    }
    return caches;
  }

  async reserve(tokens) {
    if (tokens <= this.#capacity) return;
    this.#capacity = Math.ceil(tokens / CHUNK) * CHUNK;
    const { steps, num_hidden_layers, num_attention_heads, head_dim } = this.size;
    const dims = [1, num_attention_heads, this.#capacity, head_dim];
    for (let i = 0; i < steps * num_hidden_layers; i++) {
      for (const kind of ["key", "value"]) {
        this.past[`past_key_values.${i}.${kind}`]?.dispose();
        const cache = await this.#zeros(dims);
        this.past[`past_key_values.${i}.${kind}`] = cache;
        this.present[`present.${i}.${kind}`] = cache;
      }
    }
  }

  async #zeros(dims) {
    const { Tensor } = this.ort;
    if (this.maker) {
      const shape = new Tensor("int64", BigInt64Array.from(dims, BigInt), [dims.length]);
      return (await this.maker.run({ shape })).cache;
    }
    const count = dims.reduce((product, n) => product * n);
    return this.half
      ? new Tensor("float16", new Uint16Array(count), dims)
      : new Tensor("float32", new Float32Array(count), dims);
  }
}
