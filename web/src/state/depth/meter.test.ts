import { LoopLM } from "looplm";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { compare } from "../../model/depth/compare.ts";
import { taskOf } from "../../model/task.ts";
import { open } from "../model.ts";
import { columns, exits, q, steps } from "../view.ts";
import * as who from "../who/run.ts";
import * as curve from "./curve.ts";
import { measureAll, measuring, stopMeasuring } from "./measure.ts";
import { clear, kept, last, live } from "./meter.ts";
import { depth, depthOf, fields, kv, mode, rule, setKv, setNumber } from "./settings.ts";

vi.mock("looplm", () => import("../../testing/looplm-double.ts"));

const text = () => who.words.value.map((word) => word.text).join(" ");
const lines = () => compare(kept.value).map(({ mode, text }) => [mode, text]);

beforeEach(async () => {
  const model = await LoopLM.load("who-is-who");
  open.value = { source: { name: "m", from: "m" }, model, info: model.info, task: taskOf(model.info) };
  steps.value = 4;
  q.value = 0.6;
  mode.value = "verified";
  rule.value = "gate";
  stopMeasuring();
  who.clear();
  clear();
  curve.clear();
});

describe("an answer", () => {
  it("is measured in the mode it was asked in, and says what full depth says", async () => {
    mode.value = "full";
    await who.tell("bob");
    const full = text();
    expect(last.value?.figures).toMatchObject({ tokens: 10, passesPerToken: 4, rowsPerToken: 4, drafts: [] });
    mode.value = "verified";
    await who.askAgain();
    expect(text()).toBe(full);
    const { figures, timeline, depth } = last.value!;
    expect(depth.mode).toBe("verified");
    expect(figures.passesPerToken).toBeLessThan(4);
    expect(figures.rowsPerToken).toBeGreaterThanOrEqual(4);
    expect(timeline.passes).toBe(figures.passes);
    expect(timeline.lanes[0]?.label).toBe("the");
    expect(lines()).toEqual([
      ["full", undefined],
      ["verified", "same text"],
    ]);
  });

  it("takes back what was built on a wrong guess", async () => {
    rule.value = "step";
    setNumber("step", 1);
    await who.tell("bob");
    const { finish, timeline } = last.value!;
    expect(finish.accepted).toBeLessThan(9);
    expect(finish.discarded).toBeGreaterThan(0);
    expect(timeline.lanes.some(({ takenBack }) => takenBack !== undefined)).toBe(true);
  });

  it("that left by another rule left where that rule says, whatever q is", async () => {
    mode.value = "early";
    rule.value = "step";
    setNumber("step", 2);
    await who.ask({ person: "bob", path: ["friend"] });
    const place = who.answerPlace.value!;
    q.value = 1;
    expect([exits.value[place], exits.value[place + 1]]).toEqual([2, 2]);
    expect(columns.value[place + 1]!.steps.length).toBe(2);
    expect(last.value?.figures.rowsPerToken).toBe(2);
  });

  it("that is stopped shows what came of it, and is not compared", async () => {
    const asking = who.tell("bob");
    await vi.waitFor(() => expect(live.value?.tokens).toBeGreaterThan(1));
    who.stop();
    await asking;
    expect(live.value).toBeUndefined();
    expect(last.value?.finish.reason).toBe("aborted");
    expect(kept.value.size).toBe(0);
  });
});

describe("measuring all three", () => {
  it("asks the last prompt in every mode", async () => {
    await who.ask({ person: "alice", path: ["friend"] });
    setKv("first");
    const before = text();
    await measureAll();
    expect(measuring.value).toBeUndefined();
    expect(lines().map(([mode]) => mode)).toEqual(["full", "verified", "early"]);
    expect(kept.value.get("full full")?.figures.tokensPerSecond).toBeGreaterThan(0);
    expect(text()).toBe(before);
  });
  it("gives way to a question", async () => {
    await who.ask({ person: "alice", path: ["friend"] });
    const all = measureAll();
    await vi.waitFor(() => expect(measuring.value?.done).toBeGreaterThan(0));
    await who.ask({ person: "bob", path: ["friend"] });
    await all;
    expect(measuring.value).toBeUndefined();
    expect(kept.value.size).toBe(1);
  });
});

it("keeps everything where guesses are checked, and a choice for each other mode", () => {
  setKv("first");
  expect(kv.value).toBe("full");
  mode.value = "early";
  expect(kv.value).toBe("last-exited");
  setKv("last");
  expect([kv.value, depthOf("full").kv]).toEqual(["last", "full"]);
  setKv("last-exited");
});

it("keeps the numbers of rules within the steps there are", () => {
  rule.value = "step";
  setNumber("step", 4);
  steps.value = 2;
  expect(depth.value).toMatchObject({ rule: "step", value: 2 });
  rule.value = "agree";
  steps.value = 1;
  expect(depth.value).toMatchObject({ rule: "step", value: 1 });
  expect(fields.value.every(({ value, min, max }) => value >= min && value <= max)).toBe(true);
});

it("measures the curve once, and reads every q off it", async () => {
  await curve.measure();
  expect(curve.measuring.value).toBeUndefined();
  const { questions, full, sweep } = curve.curve.value!;
  expect(questions).toBeGreaterThan(20);
  expect(full).toBe(1);
  expect(sweep[0]!.meanSteps).toBeLessThan(sweep.at(-1)!.meanSteps);
  q.value = 1;
  expect(curve.point.value).toMatchObject({ meanSteps: 4, accuracy: 1 });
}, 15_000);
