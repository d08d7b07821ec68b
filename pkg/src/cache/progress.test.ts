import { describe, expect, test } from "vitest";
import type { LoadProgress } from "../types.js";
import { DownloadProgress, SpeedMeter } from "./progress.js";

/** A clock to be set. */
function clock(): { now: number; read: () => number } {
  const time = { now: 0, read: () => time.now };
  return time;
}

describe("speed", () => {
  test("is unknown at first, then the average", () => {
    const time = clock();
    const meter = new SpeedMeter(time.read);
    expect(meter.measure(500)).toBeUndefined();
    time.now = 1000;
    expect(meter.measure(2500)).toBe(2000);
    time.now = 2000;
    expect(meter.measure(2500)).toBe(1000);
  });

  test("forgets what was more than ten seconds ago", () => {
    const time = clock();
    const meter = new SpeedMeter(time.read);
    for (let second = 0; second <= 10; second++) {
      time.now = second * 1000;
      meter.measure(second * 1_000_000);
    }
    for (let second = 11; second <= 21; second++) {
      time.now = second * 1000;
      meter.measure(10_000_000 + (second - 10) * 100);
    }
    expect(meter.measure(10_001_100)).toBeCloseTo(100);
  });

  test("is none while nothing comes", () => {
    const time = clock();
    const meter = new SpeedMeter(time.read);
    meter.measure(5);
    time.now = 60_000;
    expect(meter.measure(5)).toBe(0);
  });
});

describe("a download", () => {
  function download(
    loaded: number,
    total: number,
  ): {
    time: { now: number };
    seen: LoadProgress[];
    progress: DownloadProgress;
  } {
    const time = clock();
    const seen: LoadProgress[] = [];
    return { time, seen, progress: new DownloadProgress(loaded, total, (p) => seen.push(p), time.read) };
  }

  test("begins with what was there, which is not counted as speed", () => {
    const { time, seen, progress } = download(600, 1000);
    expect(seen).toEqual([{ phase: "download", loaded: 600, total: 1000 }]);
    time.now = 1000;
    progress.add(100, "a.safetensors");
    expect(seen[1]).toEqual({
      phase: "download",
      loaded: 700,
      total: 1000,
      bytesPerSecond: 100,
      secondsLeft: 3,
      file: "a.safetensors",
    });
  });

  test("never goes back, though some has to come again", () => {
    const { time, seen, progress } = download(0, 1000);
    for (const bytes of [300, 300, -300, 100, 300, 300]) {
      time.now += 1000;
      progress.add(bytes);
    }
    expect(seen.map(({ loaded }) => loaded)).toEqual([0, 300, 600, 600, 600, 700, 1000]);
  });

  test("is reported now and then, and its end in any case", () => {
    const { time, seen, progress } = download(0, 1000);
    for (let i = 0; i < 100; i++) {
      time.now += 10;
      progress.add(10);
    }
    expect(seen.length).toBeLessThanOrEqual(12);
    expect(seen.at(-1)?.loaded).toBe(1000);
  });
});
