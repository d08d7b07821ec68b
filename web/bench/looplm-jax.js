// The looped language model of tests/reference/fast_looplm.py and its update (Stage I, clipping, AdamW) in jax-js, as well as
// jax-js does it: the whole update is one jitted function, and weights that are read together are stored together.
//
// jax-js counts references: an array passed to a function is consumed, `.ref` keeps it.
import { jit, nn, numpy as np, tree, valueAndGrad } from "@jax-js/jax";

const EPSILON = 1e-6;
const THETA = 10_000;
const BETA = 0.1;
const ADAM = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, decay: 0.1, clip: 1 };

/** Initial weights: embeddings N(0, 1), matrices N(0, 0.02), a gate that starts flat. Matrices are [inputs, outputs]. */
export function initialParameters(size) {
  const { hidden: D, intermediate: I, layers, vocabulary: V } = size;
  const matrix = (inputs, outputs, std = 0.02) => normal([inputs, outputs], std);
  return {
    embed: matrix(V, D, 1),
    head: matrix(D, V),
    norm: np.ones([D]),
    gateWeight: np.zeros([D, 1]),
    gateBias: np.array(new Float32Array([-1.1])),
    layers: Array.from({ length: layers }, () => ({
      qkv: matrix(D, 3 * D),
      out: matrix(D, D),
      gateUp: matrix(D, 2 * I),
      down: matrix(I, D),
      beforeAttention: np.ones([D]),
      afterAttention: np.ones([D]),
      beforeMlp: np.ones([D]),
      afterMlp: np.ones([D]),
    })),
  };
}

function normal(shape, std) {
  const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
  for (let i = 0; i < values.length; i++) {
    values[i] = std * Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
  }
  return np.array(values).reshape(shape);
}

/** Cosines and signed sines of the rotary embedding, [1, M, 1, d]: the halves are turned by `x cos + swapped(x) sin`. */
function rotaryTables({ hidden, heads, length }) {
  const d = hidden / heads;
  const table = (of) => {
    const values = new Float32Array(length * d);
    for (let m = 0; m < length; m++) {
      for (let i = 0; i < d; i++) values[m * d + i] = of(m * THETA ** (-(2 * (i % (d / 2))) / d), i < d / 2);
    }
    return np.array(values).reshape([1, length, 1, d]);
  };
  return {
    cos: table((angle) => Math.cos(angle)),
    sin: table((angle, first) => (first ? -Math.sin(angle) : Math.sin(angle))),
  };
}

function rmsNorm(x, gain) {
  const scale = np.sqrt(np.mean(np.square(x.ref), -1, { keepdims: true }).add(EPSILON));
  return x.div(scale).mul(gain);
}

/** The two halves of the last axis. */
function halves(x) {
  return np.split(x, 2, -1);
}

function turn(x, { cos, sin }) {
  const [a, b] = halves(x.ref);
  return x.mul(cos.ref).add(np.concatenate([b, a], -1).mul(sin.ref));
}

function layer(h, w, size, rotary) {
  const { sequences: B, length: M, heads: H, hidden: D } = size;
  const qkv = np.matmul(rmsNorm(h.ref, w.beforeAttention.ref), w.qkv.ref);
  const [q, k, v] = np.split(qkv, 3, -1).map((x) => x.reshape([B, M, H, D / H]));
  const seen = nn.dotProductAttention(turn(q, rotary), turn(k, rotary), v, { isCausal: true });
  const attended = np.matmul(seen.reshape([B, M, D]), w.out.ref);
  h = h.add(rmsNorm(attended, w.afterAttention.ref));
  const [gate, up] = halves(np.matmul(rmsNorm(h.ref, w.beforeMlp.ref), w.gateUp.ref));
  const made = np.matmul(nn.silu(gate).mul(up), w.down.ref);
  return h.add(rmsNorm(made, w.afterMlp.ref));
}

/** Stage I (eq. 4): mean over the positions of the expected loss minus beta times the entropy. ids, targets [B, M]. */
function lossOf(size, rotary) {
  return (w, ids, targets) => {
    const wanted = nn.oneHot(targets, size.vocabulary);
    let h = np.take(w.embed.ref, ids, 0);
    let total = np.array(0);
    let remaining = null;
    for (let t = 1; t <= size.steps; t++) {
      for (const one of w.layers) h = layer(h, one, size, rotary);
      h = rmsNorm(h, w.norm.ref);
      const loss = np.sum(nn.logSoftmax(np.matmul(h.ref, w.head.ref)).mul(wanted.ref), -1).neg();
      let logP = remaining;
      if (t < size.steps) {
        const z = np.sum(np.matmul(h.ref, w.gateWeight.ref), -1).add(w.gateBias.ref);
        logP = added(nn.logSigmoid(z.ref), remaining?.ref);
        remaining = added(nn.logSigmoid(z.neg()), remaining);
      }
      logP ??= np.zeros([size.sequences, size.length]);
      total = total.add(np.mean(np.exp(logP.ref).mul(loss.add(logP.mul(BETA)))));
    }
    h.dispose();
    wanted.dispose();
    tree.dispose(w);
    return total;
  };
}

function added(a, b) {
  return b ? a.add(b) : a;
}

/**
 * One update: `(weights, m, v, ids, targets, hyper) => [weights, m, v, loss]`. `hyper` holds the learning rate and one over
 * 1 - beta^t of both moments. Everything is consumed.
 */
export function makeUpdate(size) {
  const gradient = valueAndGrad(lossOf(size, rotaryTables(size)));
  return jit((weights, m, v, ids, targets, hyper) => {
    const [loss, gradients] = gradient(tree.ref(weights), ids, targets);
    const squares = tree.leaves(gradients).map((g) => np.sum(np.square(g.ref)));
    const norm = np.sqrt(squares.reduce((a, b) => a.add(b)));
    const scale = np.minimum(np.array(ADAM.clip).div(norm), 1);
    const [rate, correct1, correct2] = [0, 1, 2].map((i) => hyper.ref.slice(i));
    const [ws, structure] = tree.flatten(weights);
    const [ms, vs, gs] = [m, v, gradients].map((x) => tree.leaves(x));
    const out = ws.map((w, i) => {
      const g = gs[i].mul(scale.ref);
      const first = ms[i].mul(ADAM.beta1).add(g.ref.mul(1 - ADAM.beta1));
      const second = vs[i].mul(ADAM.beta2).add(np.square(g).mul(1 - ADAM.beta2));
      const root = np.sqrt(second.ref.mul(correct2.ref)).add(ADAM.epsilon);
      const move = first.ref.mul(correct1.ref).div(root);
      const decayed = w.ndim > 1 ? move.add(w.ref.mul(ADAM.decay)) : move;
      return [w.sub(decayed.mul(rate.ref)), first, second];
    });
    for (const x of [scale, rate, correct1, correct2, hyper]) x.dispose();
    const [newWeights, newM, newV] = [0, 1, 2].map((i) =>
      tree.unflatten(
        structure,
        out.map((o) => o[i]),
      ),
    );
    return [newWeights, newM, newV, loss];
  });
}

/** What an update needs beside the batch, for update t = 1, 2, .. */
export function hyperparameters(t, rate) {
  return np.array(new Float32Array([rate, 1 / (1 - ADAM.beta1 ** t), 1 / (1 - ADAM.beta2 ** t)]));
}
