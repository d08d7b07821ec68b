// What a model costs in this browser, through the npm package.
import { LoopLM } from "looplm";
import { BOUND, agreement } from "./agreement.js";
import { bytesOf, count, counts } from "./counting.js";
import { map, spread } from "./statistics.js";
import { streamRead } from "./stream-read.js";

/** Tokens that are timed of each context. */
const TOKENS = 9;
const PREFILL = 512;
const PREFILLS = 3;
/** Tokens of the prompt before the first token. */
const PROMPT = 16;

const GREEDY = { temperature: 0, verify: false };

/** So many ids of a vocabulary, always the same for a seed. */
function randomIds(seed, length, vocabulary) {
  let state = (Math.imul(seed, 0x9e3779b9) + 1) >>> 0;
  return Uint32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * vocabulary);
  });
}

/** Milliseconds from the page's navigation to the model's first token, loaded as any page does. */
export async function firstToken({ model: address, format }) {
  const model = await LoopLM.load(address, { format });
  const prompt = randomIds(4, PROMPT, model.info.architecture.vocabSize);
  const answer = model.generate(prompt, { ...GREEDY, maxNewTokens: 1 })[Symbol.asyncIterator]();
  await answer.next();
  const ms = performance.now();
  await model.dispose();
  return ms;
}

/** Everything but the first token. */
export async function measure({ model: address, format, contexts }, say) {
  say("the streaming read");
  const stream = await streamRead();
  say("loading");
  count();
  const model = await LoopLM.load(address, { worker: false, format });
  const { info } = model;
  const { vocabSize, steps, tiedHead } = info.architecture;
  const layers = bytesOf("model.layers.");
  const head = bytesOf(tiedHead ? "model.embed_tokens." : "lm_head.");
  const room = (tokens) => tokens + TOKENS + 2 <= info.contextLength;

  let prefill = null;
  if (room(PREFILL)) {
    say(`prefill of ${PREFILL} tokens`);
    const taken = [];
    for (let i = 0; i <= PREFILLS; i++) {
      const [first] = await times(model, randomIds(2, PREFILL, vocabSize), 1);
      if (i > 0) taken.push(first);
    }
    prefill = { tokens: PREFILL, tokensPerSecond: map(spread(taken), (ms) => (PREFILL / ms) * 1000) };
  }

  const decode = [];
  for (const context of contexts.filter(room)) {
    say(`decoding after ${context} tokens`);
    let dispatches;
    const onFirst = () => (dispatches = counts.dispatches);
    // Of the first token the prompt is part, and the second warms up.
    const [, , ...taken] = await times(model, randomIds(3, context, vocabSize), TOKENS + 2, onFirst);
    // An answer that ended of itself was not timed.
    if (taken.length < TOKENS) continue;
    const token = spread(taken);
    const read = map(token, (ms) => ((steps * layers + head) / ms) * 1000);
    decode.push({
      context,
      tokensPerSecond: map(token, (ms) => 1000 / ms),
      msPerToken: token,
      msPerPass: map(token, (ms) => ms / steps),
      dispatchesPerToken: Math.round((counts.dispatches - dispatches) / (TOKENS + 1)),
      weightsGbPerSecond: map(read, (bytes) => bytes / 1e9),
      ofStreamRead: map(read, (bytes) => bytes / stream.median),
    });
  }
  const memory = {
    weights: info.memory.weights,
    workspace: info.memory.workspace,
    gpuPeak: counts.peakBytes,
    // Chromium alone tells.
    jsHeap: performance.memory?.usedJSHeapSize ?? null,
  };
  await model.dispose();

  say("agreement with f32");
  const share = await agreement(address, format);
  return {
    browser: navigator.userAgent,
    adapter: info.adapter,
    tier: info.adapter.tier,
    counts: share >= BOUND,
    agreement: { top1WithF32: share, bound: BOUND },
    model: { address, asked: format, format: info.format, ...info.architecture },
    streamReadGbPerSecond: map(stream, (bytes) => bytes / 1e9),
    prefill,
    decode,
    memoryBytes: memory,
  };
}

/** Milliseconds until each token of an answer, since the one before or the question. */
async function times(model, ids, maxNewTokens, onFirst) {
  const taken = [];
  const answer = model.generate(ids, { ...GREEDY, maxNewTokens })[Symbol.asyncIterator]();
  let last = performance.now();
  while (!(await answer.next()).done) {
    const now = performance.now();
    taken.push(now - last);
    if (taken.length === 1) onFirst?.();
    last = performance.now();
  }
  return taken;
}
