// Ours: the float checkpoint, made 4-bit as it is loaded. Every token takes all steps: no peer can leave early.
import { LoopLM } from "looplm";

export async function load(folder, _, { format, kv }) {
  const model = await LoopLM.load(`${folder}/looplm/`, { format, kv, cache: false });
  const { info } = model;
  return {
    notes: [
      `weights ${info.format}`,
      `${kv} keys and values`,
      "f32 activations",
      `${info.tuning.lanes} lanes`,
      "in a Worker",
    ],
    async generate(ids, count, onToken) {
      const stream = model.generate(ids, {
        maxNewTokens: count,
        temperature: 0,
        exit: "full",
        verify: false,
      });
      for await (const { id } of stream) onToken(id);
    },
    dispose: () => model.dispose(),
  };
}
