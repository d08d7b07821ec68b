/** Sampling, as the controls set it. */
export interface Sampling {
  maxNewTokens: number;
  temperature: number;
  topK: number;
  topP: number;
  minP: number;
  seed: number;
}

export interface SamplingField {
  key: keyof Sampling;
  name: string;
  says: string;
  min: number;
  max: number;
  step: number;
}

export const FIELDS: readonly SamplingField[] = [
  { key: "maxNewTokens", name: "max new tokens", says: "stop after so many", min: 1, max: 4096, step: 1 },
  {
    key: "temperature",
    name: "temperature",
    says: "0 always takes the best token",
    min: 0,
    max: 3,
    step: 0.05,
  },
  { key: "topK", name: "top-k", says: "sample among so many best; 0 is all", min: 0, max: 1000, step: 1 },
  {
    key: "topP",
    name: "top-p",
    says: "sample among the best with this much probability together",
    min: 0.01,
    max: 1,
    step: 0.01,
  },
  {
    key: "minP",
    name: "min-p",
    says: "leave out what is less likely than this share of the best",
    min: 0,
    max: 1,
    step: 0.01,
  },
  { key: "seed", name: "seed", says: "same seed, same GPU, same text", min: 0, max: 2 ** 32 - 1, step: 1 },
];

/** A number as a field takes it: within its range, and whole where it counts. What is no number leaves it as it was. */
export function withinField({ min, max, step }: SamplingField, value: number, before: number): number {
  if (!Number.isFinite(value)) return before;
  const kept = Math.min(Math.max(value, min), max);
  return step === 1 ? Math.round(kept) : kept;
}
