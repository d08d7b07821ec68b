// Compares the engine with the oracle's fixtures (tests/reference/README.md says what a fixture holds).
import { LoopLM } from "/looplm/index.js";
import { parseSafetensors } from "./safetensors.mjs";

/** Loads a case's model once (its kernels take seconds to compile without a GPU) and computes all that is compared. */
export async function runCase(name, { files, greedy, load }) {
  // As the reference has them: by default keys and values are rounded to half precision.
  const model = await LoopLM.load(`/fixtures/${name}/model`, { kv: "f32", ...load });
  const forward = {};
  for (const file of files) forward[file] = await compareForward(model, name, file);
  const decoded = [];
  for (const wanted of greedy) decoded.push(await decodeGreedily(model, wanted));
  await model.dispose();
  return { forward, decoded };
}

/**
 * max |difference| / max |reference| of every tensor of a file, over all sequences and steps; and the exit steps that
 * disagree with the reference's probabilities.
 */
async function compareForward(model, name, file) {
  const expected = parseSafetensors(await (await fetch(`/fixtures/${name}/${file}`)).arrayBuffer());
  const [B, M] = expected.ids.shape;
  const [T] = expected.exit_pdf.shape;
  const q = 0.5;
  const worst = {};
  const exits = [];
  for (let b = 0; b < B; b++) {
    const ids = expected.ids.data.slice(b * M, (b + 1) * M);
    const steps = T === model.info.architecture.steps ? {} : { steps: T };
    const result = await model.forward(ids, { ...steps, logits: true, hidden: true, gate: q });
    if (result.steps !== T) throw new Error(`${result.steps} steps instead of ${T}`);
    const actual = {
      logits: result.logits,
      hidden: result.hidden,
      exit_lambda: result.exitLambda,
      exit_pdf: result.exitPdf,
    };
    for (const [tensor, values] of Object.entries(actual)) {
      const error = relativeError(values, sequence(expected[tensor], b, B), tensor);
      worst[tensor] = Math.max(worst[tensor] ?? 0, error);
    }
    exits.push(...wrongExits(result.exitSteps, sequence(expected.exit_pdf, b, B), T, M, q));
  }
  return { worst, exits };
}

/** [T, B, ...] -> the [T, ...] of one sequence. */
function sequence({ shape, data }, b, B) {
  const inner = shape.slice(2).reduce((product, n) => product * n, 1);
  const out = new Float32Array(shape[0] * inner);
  for (let t = 0; t < shape[0]; t++) {
    const from = (t * B + b) * inner;
    out.set(data.subarray(from, from + inner), t * inner);
  }
  return out;
}

function relativeError(actual, reference, tensor) {
  if (!(actual instanceof Float32Array) || actual.length !== reference.length) {
    throw new Error(`${tensor}: ${actual?.length} values instead of ${reference.length}`);
  }
  let difference = 0;
  let largest = 0;
  for (let i = 0; i < reference.length; i++) {
    // Math.max carries NaN, which then is within no tolerance; a comparison here would lose it.
    difference = Math.max(difference, Math.abs(actual[i] - reference[i]));
    largest = Math.max(largest, Math.abs(reference[i]));
  }
  return difference / largest;
}

/** The positions where the exit step is another than the reference's, unless the reference is within 1e-3 of q. */
function wrongExits(actual, pdf, T, M, q) {
  if (actual.length !== M) throw new Error(`${actual.length} exit steps instead of ${M}`);
  const wrong = [];
  for (let m = 0; m < M; m++) {
    let cumulated = 0;
    let expected = T;
    let margin = 1;
    for (let t = 0; t < T - 1; t++) {
      cumulated = Math.fround(cumulated + pdf[t * M + m]);
      margin = Math.min(margin, Math.abs(cumulated - q));
      if (cumulated >= q && expected === T) expected = t + 1;
    }
    if (margin > 1e-3 && actual[m] !== expected) wrong.push({ position: m, expected, actual: actual[m] });
  }
  return wrong;
}

/** Greedy ids and exit steps, decoded in the same way as the oracle's entry "full:q" (with `steps` or not). */
async function decodeGreedily(model, { prompt, maxNewTokens, q, steps }) {
  const stream = model.generate(prompt, {
    maxNewTokens,
    temperature: 0,
    exit: q === 1 ? "full" : { gate: q },
    ...(steps === undefined ? {} : { steps }),
  });
  const ids = [];
  const exitSteps = [];
  for await (const token of stream) {
    ids.push(token.id);
    exitSteps.push(token.exitStep);
  }
  return { ids, exitSteps, finish: await stream.finished };
}
