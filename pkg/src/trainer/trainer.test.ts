import { beforeEach, describe, expect, test, vi } from "vitest";
import { AbortedError, ConfigError, DisposedError, NonFiniteError } from "../errors.js";
import { FAKE_CONFIG, FakeTraining } from "../testing/fake-trainer.js";
import { FakeWorker } from "../testing/fake-worker.js";
import { wasmError } from "../testing/fake-wasm.js";
import { DirectTrainer } from "./direct-trainer.js";
import { createRequest } from "./options.js";
import type { Tab } from "./tab.js";
import { Trainer } from "./trainer.js";
import type { Checkpoint, TrainConfig, TrainerOptions, TrainerState, TrainMetric } from "./types.js";
import { TrainerClient } from "./worker-client.js";
import { serveTrainer } from "./worker-server.js";

class FakeTab extends EventTarget implements Tab {
  hidden = false;

  show(seen: boolean): void {
    this.hidden = !seen;
    this.dispatchEvent(new Event("visibilitychange"));
  }
}

const lost = (): Error => wasmError("device-lost", "lost", { reason: "test" });

describe.each(["direct", "worker"])("Trainer over the %s engine", (kind) => {
  let training: FakeTraining;
  let worker: FakeWorker | undefined;
  let tab: FakeTab;
  let metrics: TrainMetric[];
  let states: TrainerState[];
  let checkpoints: Checkpoint[];
  beforeEach(() => {
    training = new FakeTraining();
    tab = new FakeTab();
    [worker, metrics, states, checkpoints] = [undefined, [], [], []];
  });

  function create(options: TrainerOptions = {}, config: TrainConfig | string = FAKE_CONFIG) {
    const listeners: TrainerOptions = {
      onMetrics: (metric) => metrics.push(metric),
      onState: (state) => states.push(state),
      onCheckpoint: (checkpoint) => checkpoints.push(checkpoint),
      ...options,
    };
    return Trainer.createWith(
      (onNotice) => {
        const direct = (listener: typeof onNotice): DirectTrainer =>
          new DirectTrainer(listener, {
            requireAdapter: async () => undefined,
            loadWasm: async () => training,
            restartDelays: [1, 1],
          });
        if (kind === "direct") return direct(onNotice);
        worker = new FakeWorker((port) => serveTrainer(port, direct));
        return new TrainerClient(onNotice, worker);
      },
      createRequest(config, listeners),
      listeners,
      tab,
    );
  }

  const updates = (): number[] => metrics.filter(({ kind }) => kind === "update").map(({ update }) => update);
  const statuses = (): string[] => states.map(({ status }) => status);
  const until = (update: number) => vi.waitFor(() => expect(updates()).toContain(update), { interval: 1 });

  test("runs to the end: every update in order, evaluations and checkpoints where they are due", async () => {
    const trainer = await create();
    expect(trainer.info).toMatchObject({ parameters: 1, updates: 10 });
    expect(trainer.state).toEqual({ status: "ready", update: 0, updates: 10, restarts: 0 });
    expect(await trainer.run()).toEqual({ reason: "done", update: 10 });
    const told = metrics.map(({ kind, update }) => `${kind[0]}${update}`);
    expect(told.join(" ")).toBe("u1 u2 u3 u4 e4 u5 u6 u7 u8 e8 u9 u10 e10");
    expect(checkpoints.map(({ update }) => update)).toEqual([5, 10]);
    expect(statuses()).toEqual(["running", "done"]);
    expect(trainer.state.update).toBe(10);
    expect(await trainer.run()).toEqual({ reason: "done", update: 10 });
    expect(metrics.length).toBe(13);
  });

  test("a preset's name will do; an unknown one is told which there are", async () => {
    await create({}, "tiny");
    expect(JSON.parse(training.created[0]?.config ?? "")).toEqual(FAKE_CONFIG);
    await expect(create({}, "huge")).rejects.toMatchObject({
      code: "invalid-argument",
      message: expect.stringContaining("tiny"),
    });
  });

  test("a configuration that cannot be run names its field", async () => {
    const model = { ...FAKE_CONFIG.model, hidden_size: 3 };
    const error = await create({}, { ...FAKE_CONFIG, model }).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(ConfigError);
    expect(error).toMatchObject({ code: "config-invalid", details: { field: "model.hidden_size" } });
    if (worker) await vi.waitFor(() => expect(worker?.terminated).toBe(true));
  });

  test("pause, steps, and on to the end", async () => {
    const trainer = await create();
    const running = trainer.run();
    await until(2);
    trainer.pause();
    const { reason, update } = await running;
    expect(reason).toBe("paused");
    // The metrics of the last update are there, late as they are.
    expect(updates().at(-1)).toBe(update);
    expect(await trainer.step()).toEqual({ reason: "paused", update: update + 1 });
    expect(await trainer.step(2)).toEqual({ reason: "paused", update: update + 3 });
    expect(trainer.state.status).toBe("paused");
    expect(await trainer.run()).toEqual({ reason: "done", update: 10 });
    expect(updates()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  test("run() right after pause() goes on; a second run() joins the first; step() meanwhile is refused", async () => {
    const trainer = await create();
    const first = trainer.run();
    await until(1);
    trainer.pause();
    const second = trainer.run();
    expect((await first).reason).toBe("paused");
    const third = trainer.run();
    await expect(trainer.step()).rejects.toMatchObject({ code: "invalid-argument" });
    expect(await second).toEqual({ reason: "done", update: 10 });
    expect(await third).toEqual({ reason: "done", update: 10 });
  });

  test("stop() and the signal end a run, and what was learned stays", async () => {
    const abort = new AbortController();
    const trainer = await create({ signal: abort.signal });
    const running = trainer.run();
    await until(1);
    trainer.stop();
    expect((await running).reason).toBe("aborted");
    expect(trainer.state.status).toBe("stopped");
    const again = trainer.run();
    await until(4);
    abort.abort();
    const { reason, update } = await again;
    expect(reason).toBe("aborted");
    expect(await trainer.run()).toEqual({ reason: "aborted", update });
    expect((await trainer.checkpoint()).update).toBe(update);
    expect(Object.keys(await trainer.export())).toEqual(["model.safetensors"]);
  });

  test("a signal stops creating, and nothing is left", async () => {
    const abort = new AbortController();
    const creating = create({ signal: abort.signal });
    setTimeout(() => abort.abort(), 0);
    await expect(creating).rejects.toThrow(AbortedError);
    await vi.waitFor(() => expect(training.objects).toBe(0));
    await expect(create({ signal: abort.signal })).rejects.toThrow(AbortedError);
  });

  test("evaluate, checkpoint and export wait for their turn in a run", async () => {
    const trainer = await create();
    const running = trainer.run();
    await until(1);
    const [evaluation, checkpoint, files] = await Promise.all([
      trainer.evaluate(),
      trainer.checkpoint(),
      trainer.export(),
    ]);
    expect(evaluation.update).toBeGreaterThan(1);
    expect(checkpoint.update).toBeGreaterThanOrEqual(evaluation.update);
    expect(files["model.safetensors"]?.length).toBe(1);
    expect(await running).toEqual({ reason: "done", update: 10 });
    expect(updates()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  test("goes on from a checkpoint as if it had not stopped", async () => {
    const trainer = await create();
    await trainer.step(3);
    const checkpoint = await trainer.checkpoint();
    expect(checkpoint).toMatchObject({ update: 3, seconds: 0.375, config: { name: "fake" } });
    await trainer.run();
    const losses = metrics.map((metric) => (metric.kind === "update" ? metric.loss : undefined));
    metrics = [];
    const other = await create({ resume: structuredClone(checkpoint) });
    expect(other.state.update).toBe(3);
    await other.run();
    expect(metrics.map((metric) => (metric.kind === "update" ? metric.loss : undefined))).toEqual(
      losses.slice(3),
    );
  });

  test("a checkpoint given away is not the one kept", async () => {
    training.failures.set(8, [lost()]);
    const trainer = await create({
      onCheckpoint: ({ files }) => void files["model.safetensors"]?.fill(77),
    });
    await trainer.run();
    expect(training.created[1]?.snapshot?.weights).toEqual(Uint8Array.of(15));
  });

  test("when the GPU goes away it starts again from the last checkpoint, and says so", async () => {
    training.failures.set(8, [lost()]);
    training.createFailures = [];
    const trainer = await create();
    expect(await trainer.run()).toEqual({ reason: "done", update: 10 });
    expect(updates().join(" ")).toBe("1 2 3 4 5 6 6 7 8 9 10");
    expect(statuses()).toEqual(["running", "recovering", "running", "done"]);
    expect(states[1]).toMatchObject({ update: 5, restarts: 1, error: { code: "device-lost" } });
    expect(states[2]?.error).toBeUndefined();
    expect(training.objects).toBe(1);
    expect(training.disposed).toBe(1);
  });

  test("updates that were on their way when the GPU went away are made again", async () => {
    const trainer = await create();
    await trainer.step(6);
    training.lateFailure = lost();
    expect(await trainer.step(1)).toEqual({ reason: "paused", update: 7 });
    expect(updates().join(" ")).toBe("1 2 3 4 5 6 6 7");
    await trainer.step(1);
    training.beforeUpdate = (update) => {
      if (update !== 10) return;
      training.lateFailure = lost();
      training.beforeUpdate = () => undefined;
    };
    expect(await trainer.run()).toEqual({ reason: "done", update: 10 });
    expect(metrics.filter(({ kind }) => kind === "evaluation").map(({ update }) => update)).toEqual([
      4, 8, 8, 10,
    ]);
    expect(checkpoints.map(({ update }) => update)).toEqual([5, 10]);
    expect(statuses().filter((status) => status === "recovering").length).toBe(2);
  });

  test("without a checkpoint it starts again from the beginning, also while there is no adapter yet", async () => {
    training.failures.set(3, [lost()]);
    const trainer = await create();
    training.createFailures = [wasmError("webgpu-unavailable", "none")];
    expect(await trainer.run()).toMatchObject({ reason: "done" });
    expect(training.created.map(({ snapshot }) => snapshot)).toEqual([undefined, undefined, undefined]);
    expect(trainer.state.restarts).toBe(2);
  });

  test("a GPU that goes away again and again ends the run; the checkpoint stays", async () => {
    training.failures.set(8, [lost(), lost(), lost(), lost()]);
    const trainer = await create();
    await expect(trainer.run()).rejects.toMatchObject({ code: "device-lost" });
    expect(statuses().at(-1)).toBe("failed");
    expect(states.at(-1)).toMatchObject({ restarts: 2, error: { code: "device-lost" } });
    expect((await trainer.checkpoint()).update).toBe(5);
    await expect(trainer.evaluate()).rejects.toMatchObject({ code: "device-lost" });
  });

  test("a run that comes further each time is started again as often as it takes", async () => {
    for (const update of [6, 7, 8, 9]) training.failures.set(update, [lost(), lost()]);
    const trainer = await create();
    expect(await trainer.run()).toEqual({ reason: "done", update: 10 });
    expect(trainer.state.restarts).toBe(8);
  });

  test("a number that is none ends the run and names the good checkpoint", async () => {
    training.failures.set(7, [wasmError("non-finite", "the loss of update 7 is NaN", { update: 7 })]);
    const trainer = await create();
    const error = await trainer.run().catch((error: unknown) => error);
    expect(error).toBeInstanceOf(NonFiniteError);
    expect(error).toMatchObject({ code: "non-finite", details: { update: 7, checkpoint: 5 } });
    expect(trainer.state).toMatchObject({ status: "failed", error: { code: "non-finite" } });
    expect((await trainer.checkpoint()).files["model.safetensors"]).toEqual(Uint8Array.of(15));
    await expect(trainer.run()).rejects.toThrow(NonFiniteError);
  });

  test("trains the gate, tells how far it is, and stops by its signal", async () => {
    const trainer = await create();
    const seen: string[] = [];
    const gate = await trainer.trainGate({
      updates: 2,
      onProgress: ({ done, of }) => seen.push(`${done}/${of}`),
    });
    expect(gate.update).toBe(2);
    expect(seen).toEqual(["1/2", "2/2"]);
    expect(training.gateConfigs).toEqual([{ updates: 2 }]);
    expect(metrics.map(({ kind }) => kind)).toEqual(["gate"]);
    const abort = new AbortController();
    const stopped = trainer.trainGate({
      updates: 1000,
      onProgress: () => abort.abort(),
      signal: abort.signal,
    });
    await expect(stopped).rejects.toThrow(AbortedError);
    expect(await trainer.run()).toMatchObject({ reason: "done" });
  });

  test("a hidden tab pauses, if so asked, and goes on when it is seen again", async () => {
    const trainer = await create({ hiddenTab: "pause" });
    const running = trainer.run();
    await until(2);
    tab.show(false);
    await vi.waitFor(() => expect(trainer.state.status).toBe("hidden"));
    const { update } = trainer.state;
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(trainer.state.update).toBe(update);
    tab.show(true);
    expect(await running).toEqual({ reason: "done", update: 10 });
    expect(statuses()).toEqual(["running", "hidden", "running", "done"]);
  });

  test("a run in a hidden tab can be paused for good", async () => {
    tab.hidden = true;
    const trainer = await create({ hiddenTab: "pause" });
    const running = trainer.run();
    await vi.waitFor(() => expect(trainer.state.status).toBe("hidden"));
    trainer.pause();
    expect(await running).toEqual({ reason: "paused", update: 0 });
    expect(trainer.state.status).toBe("paused");
    // Steps are asked for by someone who is there.
    expect(await trainer.step()).toEqual({ reason: "paused", update: 1 });
  });

  test("otherwise a hidden tab changes nothing", async () => {
    const trainer = await create();
    const running = trainer.run();
    await until(2);
    tab.show(false);
    expect(await running).toMatchObject({ reason: "done" });
  });

  test("`await using` frees everything", async () => {
    {
      await using trainer = await create();
      await trainer.step();
    }
    expect(training.disposed).toBe(1);
  });

  test("dispose ends what runs and frees everything", async () => {
    const trainer = await create();
    const running = trainer.run();
    await until(1);
    const evaluating = trainer.evaluate().catch(({ code }: { code: string }) => code);
    await trainer.dispose();
    await trainer.dispose();
    expect(await running).toMatchObject({ reason: "aborted" });
    await evaluating;
    expect(training.objects).toBe(0);
    await expect(trainer.run()).rejects.toThrow(DisposedError);
    await expect(trainer.export()).rejects.toThrow(DisposedError);
    if (worker) expect(worker.terminated).toBe(true);
  });

  test("a listener that throws does no harm", async () => {
    const report = vi.fn();
    vi.stubGlobal("reportError", report);
    const trainer = await create({
      onMetrics: () => {
        throw new Error("mine");
      },
    });
    expect(await trainer.run()).toMatchObject({ reason: "done" });
    expect(report).toHaveBeenCalledTimes(13);
    vi.unstubAllGlobals();
  });

  test("an error that is not for good fails the run, and a later one goes on", async () => {
    training.failures.set(3, [wasmError("out-of-memory", "full")]);
    const trainer = await create();
    await expect(trainer.run()).rejects.toMatchObject({ code: "out-of-memory" });
    expect(trainer.state.status).toBe("failed");
    expect(await trainer.run()).toMatchObject({ reason: "done" });
  });
});

test("a Worker that dies ends the run", async () => {
  const training = new FakeTraining();
  const workers: FakeWorker[] = [];
  const trainer = await Trainer.createWith(
    (onNotice) => {
      const worker = new FakeWorker((port) =>
        serveTrainer(
          port,
          (listener) =>
            new DirectTrainer(listener, {
              requireAdapter: async () => undefined,
              loadWasm: async () => training,
              restartDelays: [],
            }),
        ),
      );
      workers.push(worker);
      return new TrainerClient(onNotice, worker);
    },
    createRequest(FAKE_CONFIG, {}),
    {},
  );
  const running = trainer.run();
  workers[0]?.crash("boom");
  await expect(running).rejects.toMatchObject({ code: "internal", message: expect.stringContaining("boom") });
  expect(trainer.state).toMatchObject({ status: "failed", error: { code: "internal" } });
});
