/**
 * How the test double loads and keeps models: phases, speed, cache and failures as of the package, without a network.
 * What is kept lasts as long as the page. A test says what is to happen in `globalThis.looplmDouble`.
 */
import type { CachedModel, EvictOptions, LoadOptions, LoadProgress, WeightFormat } from "looplm";
import { PUBLISHED } from "../model/offers/catalogue.ts";
import { weightBytes } from "../model/offers/needs.ts";

/** What a test may ask for. */
export interface DoubleSettings {
  /** What the browser has kept before; dates as numbers, since they cross from the test. */
  kept?: (Omit<CachedModel, "created" | "lastUsed"> & { lastUsed: number })[];
  /** The error that the next load ends with, once it has come to this part of its download or of its weights. */
  fail?: { code: string; details?: object; at?: number } | undefined;
  /** Milliseconds between two reports. */
  pause?: number;
  /** What `info.warnings` says. */
  warnings?: string[];
  /** Set by the double: takes the open model's GPU away, and gives it back after a while, or not. */
  lose?: (restoring: boolean) => void;
}

const settings = (): DoubleSettings =>
  ((globalThis as { looplmDouble?: DoubleSettings }).looplmDouble ??= {});

const SMALL = 220_416;
const REPORTS = 20;
const PIPELINES = 3;

let kept: CachedModel[] | undefined;

function cache(): CachedModel[] {
  kept ??= (settings().kept ?? []).map(({ lastUsed, ...model }) => ({
    ...model,
    created: new Date(lastUsed),
    lastUsed: new Date(lastUsed),
  }));
  return kept;
}

export async function cached(): Promise<CachedModel[]> {
  return cache().map((model) => ({ ...model }));
}

export async function evict(source?: string | URL, options: EvictOptions = {}): Promise<number> {
  const gone = (model: CachedModel) =>
    (source === undefined || model.source === String(source)) &&
    (options.format === undefined || model.format === options.format);
  const freed = cache().filter(gone);
  kept = cache().filter((model) => !gone(model));
  return freed.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** Lets a test take the GPU of this model away. */
export function canBeLost(model: EventTarget): void {
  settings().lose = (restoring) => {
    model.dispatchEvent(new CustomEvent("lost", { detail: { restoring } }));
    if (restoring) setTimeout(() => model.dispatchEvent(new CustomEvent("restored")), 1000);
  };
}

export const warnings = (): string[] => settings().warnings ?? [];

/** Goes through the phases of loading; throws what the test asked for. */
export async function playLoading(source: string, options: LoadOptions): Promise<void> {
  const published = PUBLISHED.find(({ from }) => from === source);
  const format = options.format ?? "stored";
  const total = published?.download ?? SMALL;
  const held = published ? weightBytes(published.shape, format) : SMALL;
  if (published && options.cache !== false) await download(source, format, total, held, options);
  for (const phase of ["adapter", "config", "tokenizer"] as const) {
    options.onProgress?.({ phase, loaded: 0, total: 0 });
  }
  await count("weights", 0, held, options);
  for (let done = 0; done <= PIPELINES; done++) {
    options.onProgress?.({ phase: "compile", loaded: done, done, total: PIPELINES });
    await step(options);
  }
  options.onProgress?.({ phase: "ready", loaded: 0, total: 0 });
}

async function download(
  source: string,
  format: WeightFormat,
  total: number,
  held: number,
  options: LoadOptions,
): Promise<void> {
  let entry = cache().find((model) => model.source === source && model.format === format);
  if (entry === undefined) {
    const now = new Date();
    entry = { source, format, bytes: 0, complete: false, progress: 0, created: now, lastUsed: now };
    cache().unshift(entry);
  }
  if (entry.complete) return;
  options.onProgress?.({ phase: "download", loaded: 0, total: 0 });
  await step(options);
  await count("download", entry.progress, total, options, (share) => {
    entry.progress = share;
    entry.bytes = Math.round(held * share);
  });
  entry.complete = true;
}

/** Reports a phase that counts, from a part of it on. */
async function count(
  phase: "download" | "weights",
  from: number,
  total: number,
  options: LoadOptions,
  came: (share: number) => void = () => undefined,
): Promise<void> {
  const bytesPerSecond = total / REPORTS / (pauseOf(options) / 1000);
  for (let i = Math.floor(from * REPORTS); i <= REPORTS; i++) {
    const share = i / REPORTS;
    const loaded = Math.round(total * share);
    const report: LoadProgress = { phase, loaded, total, file: "model.safetensors" };
    options.onProgress?.({ ...report, bytesPerSecond, secondsLeft: (total - loaded) / bytesPerSecond });
    came(share);
    await step(options);
    failAt(share);
  }
}

function failAt(share: number): void {
  const { fail } = settings();
  if (fail === undefined || share < (fail.at ?? 0.5)) return;
  settings().fail = undefined;
  throw Object.assign(new Error("what the engine says"), { code: fail.code, details: fail.details ?? {} });
}

const pauseOf = ({ onProgress }: LoadOptions): number => (onProgress ? (settings().pause ?? 8) : 1);

async function step(options: LoadOptions): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, pauseOf(options)));
  if (options.signal?.aborted) throw Object.assign(new Error("stopped"), { code: "aborted", details: {} });
}
