// transformers.js on the same graph: it takes it for a llama that is as many times as deep as the model has steps.
import { AutoModelForCausalLM, BaseStreamer, env, Tensor } from "@huggingface/transformers";

const DIST = "/web/bench/peers/node_modules/@huggingface/transformers/node_modules/onnxruntime-web/dist/";

export async function load(folder, _, { half }) {
  env.allowRemoteModels = false;
  env.allowLocalModels = true;
  env.useBrowserCache = false;
  env.useWasmCache = false;
  env.localModelPath = `${folder}/`;
  // The library sets a pair of addresses on its CDN.
  env.backends.onnx.wasm.wasmPaths = DIST;
  const model = await AutoModelForCausalLM.from_pretrained("onnx", {
    device: "webgpu",
    dtype: half ? "q4f16" : "q4",
  });

  class Ids extends BaseStreamer {
    constructor(onToken) {
      super();
      this.onToken = onToken;
      this.prompt = true;
    }
    put([ids]) {
      // The first call brings the prompt.
      if (!this.prompt) ids.forEach((id) => this.onToken(Number(id)));
      this.prompt = false;
    }
    end() {}
  }

  const ones = (length) => new Tensor("int64", new BigInt64Array(length).fill(1n), [1, length]);
  return {
    notes: [
      `transformers.js ${env.version}`,
      `onnxruntime-web ${env.backends.onnx.versions.web}`,
      half ? "f16 activations" : "f32 activations",
    ],
    generate: (ids, count, onToken) =>
      model.generate({
        inputs: new Tensor("int64", BigInt64Array.from(ids, BigInt), [1, ids.length]),
        attention_mask: ones(ids.length),
        max_new_tokens: count,
        do_sample: false,
        streamer: new Ids(onToken),
      }),
    dispose: () => model.dispose(),
  };
}
