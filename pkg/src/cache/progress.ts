import type { LoadProgress } from "../types.js";

/** Time over which the speed is averaged, in milliseconds. */
const WINDOW = 10_000;
/** Shortest time between two reports, in milliseconds. */
const INTERVAL = 100;

/** Measures how fast a count grows. */
export class SpeedMeter {
  readonly #now: () => number;
  readonly #samples: { time: number; count: number }[] = [];

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** The count is this now. Its growth in a second, over the last ten; undefined while there is too little to tell. */
  measure(count: number): number | undefined {
    const time = this.#now();
    const samples = this.#samples;
    samples.push({ time, count });
    // One sample from before the window stays, so that the window is covered.
    while ((samples[1]?.time ?? time) <= time - WINDOW) samples.shift();
    const first = samples[0];
    if (first === undefined || time - first.time < INTERVAL) return undefined;
    return Math.max(0, ((count - first.count) / (time - first.time)) * 1000);
  }
}

/** What to add to a report about speed. */
export function speedOf(
  meter: SpeedMeter,
  loaded: number,
  total: number,
): Pick<LoadProgress, "bytesPerSecond" | "secondsLeft"> {
  const bytesPerSecond = meter.measure(loaded);
  if (bytesPerSecond === undefined) return {};
  if (bytesPerSecond === 0 || total === 0) return { bytesPerSecond };
  return { bytesPerSecond, secondsLeft: Math.max(0, total - loaded) / bytesPerSecond };
}

/** Reports how far a download has come: now and then, and never that it went back. */
export class DownloadProgress {
  readonly #total: number;
  readonly #report: (progress: LoadProgress) => void;
  readonly #now: () => number;
  readonly #meter: SpeedMeter;
  #loaded: number;
  #most: number;
  #reported = -Infinity;

  /** `loaded` bytes of `total` were there before. */
  constructor(
    loaded: number,
    total: number,
    report: (progress: LoadProgress) => void,
    now: () => number = () => performance.now(),
  ) {
    this.#loaded = loaded;
    this.#most = loaded;
    this.#total = total;
    this.#report = report;
    this.#now = now;
    this.#meter = new SpeedMeter(now);
    this.add(0);
  }

  /** So many bytes more have come; fewer than none, if some have to come again. */
  add(bytes: number, file?: string): void {
    this.#loaded += bytes;
    this.#most = Math.min(Math.max(this.#most, this.#loaded), this.#total);
    const now = this.#now();
    if (now - this.#reported < INTERVAL && this.#loaded < this.#total) return;
    this.#reported = now;
    const [loaded, total] = [this.#most, this.#total];
    const speed = speedOf(this.#meter, loaded, total);
    this.#report({ phase: "download", loaded, total, ...speed, ...(file === undefined ? {} : { file }) });
  }
}

/** Adds the speed to the reports of the phase that brings the weights to the GPU. */
export function withSpeed(report: (progress: LoadProgress) => void): (progress: LoadProgress) => void {
  const meter = new SpeedMeter();
  return (progress) => {
    const { phase, loaded, total } = progress;
    report(phase === "weights" ? { ...progress, ...speedOf(meter, loaded, total) } : progress);
  };
}
