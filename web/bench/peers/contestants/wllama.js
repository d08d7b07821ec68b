// wllama (llama.cpp) on a llama of the same shapes with the loop unrolled: the same work for a token but for two norms a layer
// and those between steps. Not the same model, so its tokens are its own.
import { Wllama } from "@wllama/wllama";

export async function load(folder, model, { cpu, verbose }) {
  const { logger, device } = listen(verbose);
  const wllama = new Wllama(
    { default: "/web/bench/peers/node_modules/@wllama/wllama/esm/wasm/wllama.wasm" },
    { logger },
  );
  await wllama.loadModelFromUrl(`${folder}/llama.gguf`, {
    useCache: false,
    n_ctx: model.size.context,
    n_parallel: 1,
    n_threads: navigator.hardwareConcurrency,
    ...(cpu ? { n_gpu_layers: 0 } : {}),
  });
  // It takes text only; each token of this vocabulary is a character.
  const text = (ids) => String.fromCodePoint(...ids.map((id) => model.firstCharacter + id));
  const idsOf = (text) => Array.from(text, (character) => character.codePointAt(0) - model.firstCharacter);
  return {
    notes: [
      `llama.cpp ${Wllama.getLibllamaVersion()}`,
      `weights on ${device()}`,
      `${wllama.getNumThreads()} threads`,
      "f16 keys and values",
      "a llama of these shapes",
    ],
    async generate(ids, count, onToken) {
      const stream = await wllama.createCompletion({
        prompt: text(ids),
        max_tokens: count,
        temperature: 0,
        top_k: 1,
        cache_prompt: false,
        stream: true,
      });
      let usage;
      for await (const chunk of stream) {
        usage = chunk.usage ?? usage;
        idsOf(chunk.choices[0]?.text ?? "").forEach(onToken);
      }
      if (usage && usage.prompt_tokens !== ids.length) {
        throw new Error(`it made ${usage.prompt_tokens} tokens of a prompt of ${ids.length}`);
      }
    },
    dispose: () => wllama.exit(),
  };
}

/** What llama.cpp logs is the only way to know what it computes on: WebGPU only where the adapter has all it wants (f16). */
function listen(verbose) {
  const devices = new Set();
  const hear = (...words) => {
    const [, device] = /load_tensors:\s+(\w+) model buffer size/.exec(words.join(" ")) ?? [];
    if (device) devices.add(device);
    if (verbose) console.log(...words);
  };
  return {
    logger: { debug: hear, log: hear, warn: hear, error: hear },
    device: () => [...devices].join(" and ") || "an unknown device",
  };
}
