import { describe, expect, it } from "vitest";
import { cacheName, configAddress, nameOfAddress } from "./address.ts";
import { dayWords, isFolder, keptName } from "./kept-words.ts";
import { phaseWords, progressFigures, shareOf, stageOf, timeLeft } from "./loading.ts";
import { agreement, quantised } from "./quantisation.ts";

const BASE = "https://page.test/demo/";

describe("addresses", () => {
  it.each([
    ["hf:ByteDance/Ouro-1.4B", "hf:ByteDance/Ouro-1.4B"],
    ["https://huggingface.co/ByteDance/Ouro-1.4B", "hf:ByteDance/Ouro-1.4B"],
    ["huggingface.co/ByteDance/Ouro-1.4B/tree/main", "hf:ByteDance/Ouro-1.4B"],
    ["https://hf.co/a/b/tree/refs%2Fpr%2F1?x", "hf:a/b@refs/pr/1"],
    ["hf:a/b@v2", "hf:a/b@v2"],
    ["https://huggingface.co/datasets/b", "https://huggingface.co/datasets/b/"],
    ["https://huggingface.co.evil.test/a/b", "https://huggingface.co.evil.test/a/b/"],
    ["./models/shell-game/", "https://page.test/demo/models/shell-game/"],
    ["https://models.test/m#here", "https://models.test/m/"],
    ["http://[", "http://["],
  ])("%s is kept under %s", (address, name) => {
    expect(cacheName(address, BASE)).toBe(name);
  });
  it("lead to the config.json", () => {
    const of = (address: string) => configAddress(address, BASE);
    expect(of("hf:a/b")).toBe("https://huggingface.co/a/b/resolve/main/config.json");
    expect(of("hf:a/b@refs/pr/1")).toBe("https://huggingface.co/a/b/resolve/refs%2Fpr%2F1/config.json");
    expect(of("m")).toBe("https://page.test/demo/m/config.json");
    expect(of("data:text/plain,x")).toBeUndefined();
  });
  it("have a last part to call a model by", () => {
    expect(nameOfAddress("https://models.test/a/my-model/?x#y")).toBe("my-model");
    expect(nameOfAddress("hf:a/b")).toBe("b");
    expect(nameOfAddress("///")).toBe("///");
  });
});

describe("loading", () => {
  const weights = { phase: "weights", loaded: 512, total: 2048 } as const;
  it("has parts", () => {
    expect((["download", "adapter", "weights", "compile", "ready"] as const).map(stageOf)).toEqual([
      "download",
      "upload",
      "upload",
      "compile",
      "compile",
    ]);
  });
  it("says what goes on", () => {
    const download = { phase: "download", loaded: 1, total: 2 } as const;
    expect(phaseWords(download, "q4")).toBe("Downloading, and converting to q4 on the way");
    expect(phaseWords(download, "stored")).toBe("Downloading");
    expect(phaseWords({ ...download, total: 0 }, "q4")).toMatch(/^Looking/);
  });
  it("says how far it is, how fast it goes and how long it takes", () => {
    expect(shareOf(weights)).toBe(0.25);
    expect(shareOf({ phase: "compile", loaded: 0, total: 0 })).toBeUndefined();
    expect(progressFigures(weights)).toBe("512 B of 2 KiB");
    expect(progressFigures({ ...weights, bytesPerSecond: 128, secondsLeft: 12 })).toBe(
      "512 B of 2 KiB, 128 B/s, about 15 s left",
    );
    expect(progressFigures({ phase: "compile", loaded: 3, total: 40 })).toBe("3 of 40");
    expect(progressFigures({ phase: "adapter", loaded: 0, total: 0 })).toBe("");
    expect([0, 61, 3600, 3700, 7190].map(timeLeft)).toEqual([
      "a moment left",
      "about 2 min left",
      "about 1 h left",
      "about 1 h 2 min left",
      "about 2 h left",
    ]);
  });
});

describe("quantisation", () => {
  const q4 = { bytes: 9, top1: [0.9, 0.9912], kl: [0.1, 0.004], exitChanged: 0.02 };
  it("is what was measured", () => {
    expect(quantised({ formats: { q4 } }, "q4")).toEqual({
      top1: [0.9, 0.9912],
      kl: [0.1, 0.004],
      exitChanged: 0.02,
      on: undefined,
      kv: undefined,
      everywhere: undefined,
    });
  });
  it.each([
    undefined,
    {},
    { formats: {} },
    { formats: { q8: q4 } },
    { formats: { q4: { ...q4, kl: [0.1] } } },
    { formats: { q4: { ...q4, top1: [] } } },
    { formats: { q4: { ...q4, top1: ["1", "1"] } } },
  ])("says nothing of %j", (file) => {
    expect(quantised(file, "q4")).toBeUndefined();
  });
  it("never rounds to certainty", () => {
    expect([0.9912, 0.9996, 1, 0.5].map(agreement)).toEqual(["99.1 %", ">99.9 %", "100 %", "50.0 %"]);
  });
});

describe("what is kept", () => {
  it("is called by its name", () => {
    expect(["hf:a/b", "hf:a/b@v2", "https://models.test/x/y/", "files:zz"].map(keptName)).toEqual([
      "b",
      "b@v2",
      "y",
      "a folder",
    ]);
    expect(["hf:a/b", "files:zz"].map(isFolder)).toEqual([false, true]);
  });
  it("was used some day", () => {
    const now = new Date(2026, 10, 27, 1);
    expect(dayWords(new Date(2026, 10, 27, 0), now)).toBe("today");
    expect(dayWords(new Date(2026, 10, 26, 23), now)).toBe("yesterday");
    expect(dayWords(new Date(2026, 9, 1), now)).toBe("Oct 1, 2026");
  });
});
