// Training in a real browser through the built package: a tiny run, put away and gone on with, exported and loaded again.
// What prepared() and the first test leave in the page.
/* global create, lossesOf, LoopLM, Trainer, uncut, checkpoint */
import assert from "node:assert/strict";
import { test } from "node:test";
import { noWorkerLeft, thrownBy, usePage } from "./browser.mjs";

const tab = usePage();

/** Small enough for a CPU: seconds, of which most compile kernels. */
const CONFIG = {
  name: "tiny",
  seed: 3,
  task: { kind: "shuffle" },
  model: {
    hidden_size: 16,
    intermediate_size: 32,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    total_ut_steps: 2,
  },
  optimizer: { learning_rate: 0.01, warmup: 2, schedule: "constant" },
  run: { updates: 24, batch_size: 16, evaluate_every: 12, evaluation_samples: 32, checkpoint_every: 8 },
  gate: { updates: 5, samples: 32 },
};

/** The page, with what every test uses in it. */
async function prepared() {
  await tab.page.evaluate(async (config) => {
    const { LoopLM, Trainer } = await import("/looplm/index.js");
    /** A trainer, and what it tells. */
    globalThis.create = async (changes = {}, options = {}) => {
      const [metrics, states, checkpoints] = [[], [], []];
      const trainer = await Trainer.create(
        { ...config, ...changes },
        {
          onMetrics: (metric) => metrics.push(metric),
          onState: (state) => states.push(state),
          onCheckpoint: (checkpoint) => checkpoints.push(checkpoint),
          ...options,
        },
      );
      return { trainer, metrics, states, checkpoints };
    };
    globalThis.lossesOf = (metrics) =>
      metrics.filter(({ kind }) => kind === "update").map(({ update, loss }) => [update, loss]);
    Object.assign(globalThis, { LoopLM, Trainer });
  }, CONFIG);
  return tab.page;
}

test("the generated module has what src/wasm/looplm_train.d.ts says", async () => {
  const methods = await tab.page.evaluate(async () => {
    const wasm = await import("/looplm/wasm/looplm_train.js");
    return {
      init: typeof wasm.default,
      create: typeof wasm.Trainer.create,
      presets: typeof wasm.Trainer.presets,
      trainer: Object.getOwnPropertyNames(wasm.Trainer.prototype),
      model: typeof wasm.Model,
    };
  });
  for (const name of ["init", "create", "presets"]) assert.equal(methods[name], "function", name);
  for (const name of [
    "info",
    "updatesDone",
    "update",
    "finishUpdates",
    "evaluate",
    "snapshot",
    "modelFiles",
    "trainGate",
    "dispose",
    "free",
  ]) {
    assert.ok(methods.trainer.includes(name), `Trainer.${name}`);
  }
  assert.equal(methods.model, "undefined", "running models is another module's");
});

test("a run learns, tells of it in order, and leaves a model that loads", async () => {
  const { info, result, metrics, states, kept, files, architecture, task, text, gate, progress } = await (
    await prepared()
  ).evaluate(async () => {
    const { trainer, metrics, states, checkpoints } = await create();
    const result = await trainer.run();
    // For the tests below.
    Object.assign(globalThis, { uncut: lossesOf(metrics), checkpoint: checkpoints[0] });
    const progress = [];
    const gate = await trainer.trainGate({ onProgress: ({ done, of }) => progress.push(`${done}/${of}`) });
    const files = await trainer.export();
    const { info } = trainer;
    await trainer.dispose();
    const folder = Object.entries(files).map(([name, bytes]) => new File([bytes], name));
    const model = await LoopLM.load(folder);
    const { architecture, task } = model.info;
    const text = (await model.forward([0, 1, 2])).exitPdf.length;
    await model.dispose();
    const kept = checkpoints.map(({ update }) => update);
    return {
      info,
      result,
      metrics,
      states,
      kept,
      files: Object.keys(files),
      architecture,
      task,
      text,
      gate,
      progress,
    };
  });
  assert.deepEqual(result, { reason: "done", update: 24 });
  const updates = metrics.filter(({ kind }) => kind === "update");
  assert.deepEqual(
    updates.map(({ update }) => update),
    Array.from({ length: 24 }, (_, i) => i + 1),
  );
  const mean = (of) => of.reduce((sum, { stepLosses }) => sum + stepLosses.at(-1), 0) / of.length;
  const [first, last] = [mean(updates.slice(0, 4)), mean(updates.slice(-4))];
  assert.ok(last < first - 0.1, `the loss went from ${first} to ${last}`);
  for (const { loss, stepLosses, entropy, expectedSteps, gradientNorm, seconds } of updates) {
    assert.ok([loss, gradientNorm, seconds].every(Number.isFinite));
    assert.equal(stepLosses.length, 2);
    assert.ok(entropy >= 0 && entropy <= Math.log(2) + 1e-4 && expectedSteps >= 1 && expectedSteps <= 2);
  }
  const evaluations = metrics.filter(({ kind }) => kind === "evaluation");
  assert.deepEqual(
    evaluations.map(({ update }) => update),
    [12, 24],
  );
  assert.deepEqual(
    evaluations[1].difficulties.map(({ name }) => name),
    info.difficulties,
  );
  assert.deepEqual(
    states.map(({ status }) => status),
    ["running", "done"],
  );
  assert.deepEqual(kept, [8, 16, 24]);
  assert.ok(info.parameters > 1000 && info.memoryBytes > info.parameters * 16, JSON.stringify(info));
  assert.ok(info.example.input !== "" && info.adapter.tier !== "");
  // What was not given is there too.
  assert.equal(info.config.optimizer.clip_norm, 1);
  assert.deepEqual([progress.at(-1), gate.update], ["5/5", 5]);
  assert.ok(gate.sweep.length > 10 && gate.exitSteps.length === info.difficulties.length);
  for (const name of ["config.json", "model.safetensors", "tokenizer.json"]) assert.ok(files.includes(name));
  assert.equal(architecture.parameters, info.parameters);
  assert.deepEqual(task, info.task);
  assert.equal(text, 6);
  await noWorkerLeft(tab.page);
});

test("paused, put away and gone on with, it is the same run", async () => {
  const { parts, from, reference } = await (
    await prepared()
  ).evaluate(async () => {
    const begun = await create();
    const running = begun.trainer.run();
    while (begun.metrics.length < 3) await new Promise((resolve) => setTimeout(resolve, 1));
    begun.trainer.pause();
    await running;
    const checkpoint = await begun.trainer.checkpoint();
    await begun.trainer.dispose();
    const { trainer, metrics } = await create({}, { resume: checkpoint });
    const from = trainer.state.update;
    await trainer.step(4);
    await trainer.dispose();
    return { from, parts: [...lossesOf(begun.metrics), ...lossesOf(metrics)], reference: uncut };
  });
  assert.ok(from >= 3 && from < 20, `paused after ${from} updates`);
  assert.deepEqual(parts, reference.slice(0, from + 4));
});

test("in the page it is the same run too; when the GPU goes away, it starts again from its checkpoint", async () => {
  const { result, states, losses, reference } = await (
    await prepared()
  ).evaluate(async () => {
    // The devices that are opened, so that one can be taken away.
    const devices = [];
    const { requestDevice } = GPUAdapter.prototype;
    GPUAdapter.prototype.requestDevice = async function (...args) {
      const device = await requestDevice.apply(this, args);
      devices.push(device);
      return device;
    };
    const { trainer, metrics, states } = await create({}, { worker: false, checkpointEvery: 4 });
    await trainer.step(5);
    devices.at(-1).destroy();
    const result = await trainer.step(2);
    await trainer.dispose();
    GPUAdapter.prototype.requestDevice = requestDevice;
    return {
      result,
      states: states.map(({ status, update, error }) => [status, update, error?.code]),
      losses: lossesOf(metrics),
      reference: uncut,
    };
  });
  assert.deepEqual(
    states.find(([status]) => status === "recovering"),
    ["recovering", 4, "device-lost"],
  );
  assert.deepEqual(result, { reason: "paused", update: 7 });
  // The update after the checkpoint comes again, and the same.
  assert.deepEqual(losses, [...reference.slice(0, 5), ...reference.slice(4, 7)]);
});

test("a configuration that cannot be run names the field, and what was meant", async () => {
  const odd = await thrownBy(await prepared(), () => create({ run: { updates: 10, batch_size: 0 } }));
  assert.equal(odd.name, "ConfigError");
  assert.equal(odd.code, "config-invalid");
  assert.equal(odd.details.field, "run.batch_size");
  const misspelt = await thrownBy(await prepared(), () => create({ run: { updates: 10, batchsize: 8 } }));
  assert.equal(misspelt.code, "config-invalid");
  assert.match(misspelt.message, /batch_size/);
  await noWorkerLeft(tab.page);
});

test("a checkpoint of another model is refused", async () => {
  const error = await thrownBy(await prepared(), async () => {
    const { model } = checkpoint.config;
    await create({ model: { ...model, hidden_size: 32 } }, { resume: checkpoint });
  });
  assert.equal(error.code, "checkpoint-invalid");
});

test("wasmUrl is followed, relative to the page", async () => {
  const presets = await (
    await prepared()
  ).evaluate(() => Trainer.presets({ wasmUrl: "looplm/wasm/looplm_train_bg.wasm" }));
  assert.ok(presets.length > 0);
  const error = await thrownBy(tab.page, () => Trainer.presets({ wasmUrl: "/nowhere.wasm" }));
  assert.equal(error.code, "network");
  assert.match(error.message, /looplm_train_bg\.wasm.*wasmUrl/);
});

test("the presets are known without a GPU being asked", async () => {
  const presets = await (await prepared()).evaluate(() => Trainer.presets());
  assert.ok(presets.length > 0);
  for (const { name, title, description, config, expectedMinutes, example } of presets) {
    assert.ok(name && title && description && expectedMinutes > 0 && example.input && config.run.updates > 0);
  }
});
