// onnxruntime-web's WebGPU provider, driven directly. Keys and values stay on the GPU; of the logits only the last row is read.
import * as ort from "onnxruntime-web/webgpu";

const DIST = "/web/bench/peers/node_modules/onnxruntime-web/dist/";

export async function load(folder, model, { half, verbose }) {
  ort.env.wasm.wasmPaths = DIST;
  const { steps, num_hidden_layers, num_attention_heads, head_dim } = model.size;
  const caches = Array.from({ length: steps * num_hidden_layers }, (_, i) => i).flatMap((i) =>
    ["key", "value"].map((kind) => ({
      past: `past_key_values.${i}.${kind}`,
      present: `present.${i}.${kind}`,
    })),
  );
  const session = await ort.InferenceSession.create(
    `${folder}/onnx/onnx/model_${half ? "q4f16" : "q4"}.onnx`,
    {
      executionProviders: ["webgpu"],
      preferredOutputLocation: Object.fromEntries(caches.map(({ present }) => [present, "gpu-buffer"])),
      logSeverityLevel: verbose ? 0 : 3,
    },
  );
  const [type, Elements] = half ? ["float16", Uint16Array] : ["float32", Float32Array];
  const none = () => new ort.Tensor(type, new Elements(0), [1, num_attention_heads, 0, head_dim]);
  const int64 = (values, dims) => new ort.Tensor("int64", BigInt64Array.from(values, BigInt), dims);

  return {
    notes: [`onnxruntime-web ${ort.env.versions.web}`, half ? "f16 activations" : "f32 activations"],
    async generate(ids, count, onToken) {
      let past = Object.fromEntries(caches.map((cache) => [cache.past, none()]));
      let given = ids;
      let length = 0;
      for (let n = 0; n < count; n++) {
        length += given.length;
        const results = await session.run({
          input_ids: int64(given, [1, given.length]),
          attention_mask: int64(new Array(length).fill(1), [1, length]),
          num_logits_to_keep: int64([1], []),
          ...past,
        });
        const id = argmax(results.logits.data);
        onToken(id);
        given = [id];
        for (const tensor of Object.values(past)) tensor.dispose();
        past = Object.fromEntries(caches.map((cache) => [cache.past, results[cache.present]]));
      }
      for (const tensor of Object.values(past)) tensor.dispose();
    },
    dispose: () => session.release(),
  };
}

function argmax(values) {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
  return best;
}
