import { describe, expect, it } from "vitest";
import { readHash, shareHash } from "./share.ts";

describe("shareHash", () => {
  it("carries nothing where nothing differs", () => {
    expect(shareHash({ preset: undefined, changes: {} })).toBe("#train");
  });
  it("is read as it was written", () => {
    const shared = {
      preset: "shell-game",
      changes: { "model.hidden_size": "128", "optimizer.learning_rate": "1e-3", seed: "7" },
    };
    const hash = shareHash(shared);
    expect(hash).toBe("#train?preset=shell-game&hidden_size=128&learning_rate=1e-3&seed=7");
    expect(readHash(hash)).toEqual(shared);
  });
});

describe("readHash", () => {
  it("leaves other views alone", () => {
    expect(readHash("")).toBeUndefined();
    expect(readHash("#watch")).toBeUndefined();
    expect(readHash("#training")).toBeUndefined();
  });
  it("takes no more than it knows from somebody else's link", () => {
    const { preset, changes } = readHash(`#train?__proto__=1&task=x&updates=${"9".repeat(100)}`)!;
    expect(preset).toBeUndefined();
    expect(changes).toEqual({ "run.updates": "9".repeat(32) });
  });
});
