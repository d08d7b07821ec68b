// What run.mjs calls in the page: `window.contestants.NAME(size)` prepares a model and resolves to
// { parameters, run(updates) -> { ms: of an update, loss: of the last }, dispose() }.

const RATE = 1e-3;

/** Ours. The task makes samples of the wanted length; its vocabulary is `size.vocabulary`. */
async function looplm(size) {
  const { Trainer } = await import("looplm");
  let last;
  const trainer = await Trainer.create(
    {
      name: "bench",
      seed: 1,
      task: { kind: "shuffle", group: size.group, moves: size.length - 1 },
      model: {
        hidden_size: size.hidden,
        intermediate_size: size.intermediate,
        num_hidden_layers: size.layers,
        num_attention_heads: size.heads,
        total_ut_steps: size.steps,
      },
      objective: { kind: "stage-1", beta: 0.1 },
      optimizer: { learning_rate: RATE, warmup: 0, schedule: "constant" },
      run: { updates: 1_000_000, batch_size: size.sequences, evaluate_every: 0, checkpoint_every: 0 },
    },
    { worker: false, checkpointEvery: 0, onMetrics: (metric) => (last = metric) },
  );
  if (trainer.info.vocabSize !== size.vocabulary) {
    throw new Error(`the task's vocabulary is ${trainer.info.vocabSize}, not ${size.vocabulary}`);
  }
  return {
    parameters: trainer.info.parameters,
    adapter: trainer.info.adapter,
    async run(updates) {
      const started = performance.now();
      await trainer.step(updates);
      return { ms: (performance.now() - started) / updates, loss: last.loss };
    },
    dispose: () => trainer.dispose(),
  };
}

/** jax-js, with random ids: an update reads ids and targets whatever they are. Like ours it keeps two updates in flight. */
async function jax(size) {
  const { blockUntilReady, defaultDevice, init, numpy: np, tree } = await import("@jax-js/jax");
  const { hyperparameters, initialParameters, makeUpdate } = await import("./looplm-jax.js");
  if (!(await init("webgpu")).includes("webgpu")) throw new Error("jax-js finds no WebGPU");
  defaultDevice("webgpu");
  const update = makeUpdate(size);
  let weights = initialParameters(size);
  const zeros = () => tree.map((x) => np.zerosLike(x.ref), weights);
  let [m, v] = [zeros(), zeros()];
  let updates = 0;
  const ids = () => {
    const values = Int32Array.from({ length: size.sequences * size.length }, () =>
      Math.floor(Math.random() * size.vocabulary),
    );
    return np.array(values, { dtype: np.int32 }).reshape([size.sequences, size.length]);
  };
  const one = () => {
    let loss;
    updates += 1;
    [weights, m, v, loss] = update(weights, m, v, ids(), ids(), hyperparameters(updates, RATE));
    return loss.jsAsync();
  };
  return {
    parameters: tree.leaves(weights).reduce((sum, x) => sum + x.size, 0),
    async run(count) {
      const started = performance.now();
      let before = one();
      for (let i = 1; i < count; i++) {
        const now = one();
        await before;
        before = now;
      }
      const loss = await before;
      await blockUntilReady(weights);
      return { ms: (performance.now() - started) / count, loss };
    },
    dispose() {
      [weights, m, v].forEach(tree.dispose);
      update.dispose();
    },
  };
}

window.contestants = { looplm, "jax-js": jax };
