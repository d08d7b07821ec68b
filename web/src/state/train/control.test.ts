import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Trainer } from "../../testing/trainer-double.ts";
import { noWebGpu } from "../model.ts";
import { canAct, pause, reset, resume, step, stop, train, trainTwin, twinWanted } from "./control.ts";
import { gateError, teachGate } from "./gate.ts";
import { active, overlays, type RunStatus, runs } from "./runs.ts";
import { liveTrainer, madeRoom, recallKept, release, storageTrouble } from "./session.ts";
import { asPreset, choosePreset, loadPresets, problems, setField } from "./setup.ts";
import * as store from "./store.ts";

vi.mock("looplm", async () => import("../../testing/trainer-double.ts"));
vi.mock("../route.ts", async () => ({ view: (await import("@preact/signals")).signal("train") }));
vi.mock("./store.ts");

vi.stubGlobal("requestAnimationFrame", (callback: (now: number) => void) =>
  setTimeout(() => callback(performance.now()), 16),
);
const kept = vi.mocked(store.keep);
const status = (wanted: RunStatus) => vi.waitFor(() => expect(active.value?.status).toBe(wanted));

beforeEach(async () => {
  vi.mocked(store.hold).mockResolvedValue(() => Promise.resolve());
  kept.mockResolvedValue([]);
  await loadPresets();
  choosePreset("first-look");
  setField("run.updates", "6");
});
afterEach(async () => {
  for (const run of runs.value) await reset(run.id);
  await release();
  asPreset();
  vi.resetAllMocks();
});

describe("a run", () => {
  it("is trained to its end, measured, and kept", async () => {
    await train();
    expect(active.value).toMatchObject({ title: "First look", status: "done", update: 6, overlaid: true });
    expect(active.value?.history.updates).toHaveLength(6);
    expect(active.value?.history.evaluations.at(-1)?.update).toBe(6);
    const [record, checkpoint] = kept.mock.lastCall!;
    expect(record).toMatchObject({ over: "done", update: 6 });
    expect(Object.keys(checkpoint.files)).toContain("model.safetensors");
  });

  it("pauses, steps, goes on and stops", async () => {
    setField("run.updates", "1000");
    const running = train();
    await vi.waitFor(() => expect(active.value?.history.last?.update).toBeGreaterThan(2));
    pause();
    await running;
    const { id, update } = active.value!;
    expect(active.value?.status).toBe("paused");
    await step(id);
    expect(active.value).toMatchObject({ status: "paused", update: update + 1 });
    const again = resume(id);
    await status("running");
    stop();
    await again;
    expect(active.value?.status).toBe("stopped");
    expect(active.value?.history.evaluations.at(-1)?.update).toBe(active.value?.update);
  });

  it("is gone when its making is stopped", async () => {
    const making = train();
    await status("preparing");
    stop();
    await making;
    expect(runs.value).toEqual([]);
  });

  it("can be thrown away while it runs", async () => {
    setField("run.updates", "1000");
    const running = train();
    await status("running");
    await reset(active.value!.id);
    await running;
    expect(runs.value).toEqual([]);
    expect(vi.mocked(store.forget)).toHaveBeenCalled();
  });

  it("is one at a time", async () => {
    setField("run.updates", "50");
    const running = train();
    await status("running");
    await train();
    expect(runs.value).toHaveLength(1);
    expect(canAct(active.value!)).toBe(false);
    stop();
    await running;
  });

  it("does not begin while a field is wrong", async () => {
    setField("run.updates", "0");
    await train();
    expect(runs.value).toEqual([]);
  });
});

it("what the trainer refuses is told at its field", async () => {
  setField("model.hidden_size", "1024");
  setField("model.num_attention_heads", "8");
  await train();
  expect(problems.value["model.hidden_size"]).toBe("the double is no wider than 512");
  expect(runs.value).toEqual([]);
  setField("model.hidden_size", "512");
  expect(problems.value).toEqual({});
});

it("any other failure is told at the run, which can be tried again", async () => {
  const lost = Object.assign(new Error("gone"), { code: "device-lost", details: {} });
  vi.spyOn(Trainer.prototype, "run").mockRejectedValueOnce(lost);
  await train();
  expect(active.value).toMatchObject({ status: "failed", error: { code: "device-lost" } });
  await resume(active.value!.id);
  expect(active.value).toMatchObject({ status: "done", update: 6, error: undefined });
});

it("without WebGPU the page says how to get it", async () => {
  noWebGpu.value = false;
  const none = Object.assign(new Error("no adapter"), { code: "webgpu-unavailable", details: {} });
  vi.spyOn(Trainer, "create").mockRejectedValueOnce(none);
  await train();
  expect(noWebGpu.value).toBe(true);
  expect(runs.value).toEqual([]);
});

describe("the twin without the loop", () => {
  it("follows when the run is over, and both are drawn", async () => {
    setField("run.updates", "40");
    const running = train();
    await status("running");
    const { id } = active.value!;
    await trainTwin(id);
    expect(twinWanted.value).toBe(id);
    await running;
    expect(runs.value.map((run) => run.config.model.total_ut_steps)).toEqual([4, 1]);
    expect(active.value).toMatchObject({ status: "done", config: { model: { hidden_size: 64 } } });
    expect(overlays.value.map((run) => run.id)).toEqual([id]);
  });
});

it("the gate is taught on a run that rests", async () => {
  await train();
  await teachGate(active.value!.id);
  expect(active.value?.status).toBe("done");
  expect(active.value?.history.gate?.sweep).toHaveLength(50);
  expect(kept.mock.lastCall![0].history.gate).toBeDefined();
});

it("what goes wrong with a lesson is told at its run, and not at all if the run was thrown away", async () => {
  await train();
  const { id } = active.value!;
  const thrown = (code: string) => Object.assign(new Error("no"), { code, details: {} });
  vi.spyOn(Trainer.prototype, "trainGate").mockRejectedValueOnce(thrown("device-lost"));
  await teachGate(id);
  expect(gateError.value).toMatchObject({ run: id, error: { code: "device-lost" } });
  vi.spyOn(Trainer.prototype, "trainGate").mockRejectedValueOnce(thrown("disposed"));
  await teachGate(id);
  expect(gateError.value).toBeUndefined();
});

describe("what is kept", () => {
  it("leaves the list when it has made room for a newer one, and that is said", async () => {
    await train();
    const older = active.value!.id;
    kept.mockResolvedValue([older]);
    await train();
    expect(runs.value.map(({ id }) => id)).toEqual([active.value!.id]);
    expect(active.value!.id).not.toBe(older);
    expect(madeRoom.value).toBe("First look");
  });

  it("comes back and goes on from its checkpoint", async () => {
    await train();
    const [record, checkpoint] = kept.mock.lastCall!;
    const { id } = record;
    await reset(id);
    vi.mocked(store.kept).mockResolvedValue([{ ...record, update: 4, over: undefined }]);
    vi.mocked(store.checkpointOf).mockResolvedValue({ ...checkpoint, update: 4 });
    await recallKept();
    expect(active.value).toMatchObject({ id, status: "kept", update: 4 });
    await resume(id);
    expect(active.value).toMatchObject({ status: "done", update: 6 });
    expect(active.value?.history.updates.map((u) => u.update)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it("stays in memory, and says so, where the browser has no room", async () => {
    kept.mockRejectedValue(new Error("quota"));
    await train();
    expect(storageTrouble.value).toBe("quota");
    await release();
    await teachGate(active.value!.id);
    expect(active.value?.history.gate).toBeDefined();
    expect(liveTrainer(active.value!.id)).toBeDefined();
  });

  it("is left to the tab that has it", async () => {
    vi.mocked(store.hold).mockResolvedValue(undefined);
    await train();
    expect(active.value).toMatchObject({ status: "failed", error: { code: "run-elsewhere" } });
  });
});
