// A checkpoint of any size, made of numbers that are drawn when they are asked for: nothing of it is on a disk.
const BLOCK = 1 << 20;

/** A folder: { "config.json": file, "model.safetensors": file }; a file has `size` and `read(start, end)`. */
export function syntheticModel({ vocab, hidden, intermediate, layers, heads, steps = 2, seed = 1 }) {
  const config = {
    vocab_size: vocab,
    hidden_size: hidden,
    intermediate_size: intermediate,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: heads,
    total_ut_steps: steps,
    rms_norm_eps: 1e-6,
    rope_theta: 1e6,
    max_position_embeddings: 256,
    tie_word_embeddings: false,
    early_exit_threshold: 1,
    model_type: "ouro",
    architectures: ["OuroForCausalLM"],
    hidden_act: "silu",
    torch_dtype: "bfloat16",
    bos_token_id: 0,
    eos_token_id: 0,
  };
  return {
    "config.json": bytesFile(Buffer.from(JSON.stringify(config))),
    "model.safetensors": weightsFile(tensors({ vocab, hidden, intermediate, layers }), seed),
  };
}

/** Bytes that are there, as a file. */
export function bytesFile(bytes) {
  return { size: bytes.length, read: (start, end) => bytes.subarray(start, end) };
}

function tensors({ vocab, hidden, intermediate, layers }) {
  const all = {
    "lm_head.weight": [vocab, hidden],
    "model.early_exit_gate.bias": [1],
    "model.early_exit_gate.weight": [1, hidden],
    "model.embed_tokens.weight": [vocab, hidden],
    "model.norm.weight": [hidden],
  };
  for (let i = 0; i < layers; i++) {
    const layer = `model.layers.${i}`;
    for (const norm of ["input_layernorm", "input_layernorm_2", "post_attention_layernorm"]) {
      all[`${layer}.${norm}.weight`] = [hidden];
    }
    all[`${layer}.post_attention_layernorm_2.weight`] = [hidden];
    for (const name of ["gate_proj", "up_proj"]) all[`${layer}.mlp.${name}.weight`] = [intermediate, hidden];
    all[`${layer}.mlp.down_proj.weight`] = [hidden, intermediate];
    for (const name of ["q", "k", "v", "o"]) all[`${layer}.self_attn.${name}_proj.weight`] = [hidden, hidden];
  }
  return all;
}

function weightsFile(shapes, seed) {
  let end = 0;
  const header = { __metadata__: { format: "pt" } };
  for (const name of Object.keys(shapes).sort()) {
    const shape = shapes[name];
    const bytes = 2 * shape.reduce((product, n) => product * n, 1);
    header[name] = { dtype: "BF16", shape, data_offsets: [end, (end += bytes)] };
  }
  const json = Buffer.from(JSON.stringify(header));
  const head = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, " ");
  head.writeBigUInt64LE(BigInt(head.length - 8));
  json.copy(head, 8);
  const block = drawn(seed);
  return {
    size: head.length + end,
    read(start, end) {
      const bytes = Buffer.alloc(end - start);
      for (let at = start; at < end;) {
        if (at < head.length) {
          at += head.copy(bytes, at - start, at, Math.min(end, head.length));
          continue;
        }
        // No two blocks are the same: bytes that came from the wrong place are to show.
        const number = Math.floor((at - head.length) / BLOCK);
        const from = (at - head.length) % BLOCK;
        const shift = (number * 7919 * 2) % BLOCK;
        const source = (from + shift) % BLOCK;
        const length = Math.min(end - at, BLOCK - from, BLOCK - source);
        block.copy(bytes, at - start, source, source + length);
        at += length;
      }
      return bytes;
    },
  };
}

/** Small numbers in bfloat16, the same for the same seed. */
function drawn(seed) {
  const block = Buffer.alloc(BLOCK);
  let state = seed;
  for (let i = 0; i < BLOCK; i += 2) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const sign = state >>> 31;
    const exponent = 118 + ((state >>> 24) & 3);
    block.writeUInt16LE((sign << 15) | (exponent << 7) | ((state >>> 16) & 0x7f), i);
  }
  return block;
}
