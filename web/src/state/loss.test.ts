import type { LoopLM } from "looplm";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { followLoss, loss } from "./loss.ts";
import { open, type OpenModel } from "./model.ts";

vi.mock("looplm", () => ({}));
beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  open.value = undefined;
});

function opened(): EventTarget {
  const model = new EventTarget();
  open.value = { model } as unknown as OpenModel;
  followLoss(model as unknown as LoopLM);
  return model;
}
const lost = (restoring: boolean) => new CustomEvent("lost", { detail: { restoring } });

it("says that the model is brought back, and for a while that it is back", () => {
  const model = opened();
  expect(loss.value).toBeUndefined();
  model.dispatchEvent(lost(true));
  expect(loss.value).toBe("restoring");
  model.dispatchEvent(new Event("restored"));
  expect(loss.value).toBe("restored");
  vi.runAllTimers();
  expect(loss.value).toBeUndefined();
});

it("goes on saying that a model could not be brought back", () => {
  const model = opened();
  model.dispatchEvent(lost(true));
  model.dispatchEvent(lost(false));
  vi.runAllTimers();
  expect(loss.value).toBe("gone");
  opened();
  expect(loss.value).toBeUndefined();
});

it("does not speak of a model that was closed meanwhile", () => {
  const before = opened();
  opened();
  before.dispatchEvent(lost(true));
  expect(loss.value).toBeUndefined();
});
