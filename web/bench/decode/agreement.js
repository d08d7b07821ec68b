// Whether a model says what it says in f32: its best token after each beginning of some texts. The texts are those of the
// model in f32 itself, begun as its tokenizer begins a text, and with tokens from all over its vocabulary.
import { LoopLM } from "looplm";

/** Smallest share of equal tokens with which a run counts. */
export const BOUND = 0.95;

const TEXTS = 8;
const TOKENS = 32;

/** The share of best tokens in which the model in a format agrees with its stored weights and keys and values in f32. */
export async function agreement(address, format) {
  // The engine in the page, as it was measured. Another number of rows, since decoding takes them one by one.
  const exact = await LoopLM.load(address, { worker: false, kv: "f32" });
  const { vocabSize } = exact.info.architecture;
  const begin = exact.info.tokenizer ? [...(await exact.tokenize(""))] : [];
  const length = Math.min(TOKENS, exact.info.contextLength);
  const texts = [];
  const wanted = [];
  for (let i = 0; i < TEXTS; i++) {
    const ids = [...begin, Math.floor((i * vocabSize) / TEXTS)];
    const options = { maxNewTokens: length - ids.length, temperature: 0, verify: false };
    for await (const token of exact.generate(Uint32Array.from(ids), options)) ids.push(token.id);
    texts.push(Uint32Array.from(ids));
    wanted.push(await best(exact, texts[i]));
  }
  await exact.dispose();
  const model = await LoopLM.load(address, { worker: false, format, maxRows: 1 });
  let same = 0;
  let all = 0;
  for (const [i, ids] of texts.entries()) {
    const found = await best(model, ids);
    same += found.filter((id, position) => id === wanted[i][position]).length;
    all += found.length;
  }
  await model.dispose();
  return same / all;
}

async function best(model, ids) {
  const { positions } = await model.forward(ids, { trace: { topK: 1 } });
  return positions.map(({ steps }) => steps.at(-1).top[0].id);
}
