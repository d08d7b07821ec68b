/** How often a model may be restored, and how patiently. */
export interface RestoreLimits {
  /** Most loads within `within`. */
  most: number;
  /** In milliseconds. */
  within: number;
  /** How long to wait before the load that follows so many failed ones, in milliseconds. */
  pause: (failed: number) => number;
}

/** A GPU that goes away more often than this has a trouble that loading again does not cure. */
export const USUAL: RestoreLimits = {
  most: 3,
  within: 5 * 60_000,
  // A browser whose GPU process died has no adapter for a moment.
  pause: (failed) => (failed === 0 ? 0 : 1000 * 3 ** (failed - 1)),
};

/** Nothing is restored. */
export const NEVER: RestoreLimits = { ...USUAL, most: 0 };

/** Counts the loads of the last while. */
export class RestoreBudget {
  readonly limits: RestoreLimits;
  #taken: number[] = [];

  constructor(limits: RestoreLimits) {
    this.limits = limits;
  }

  /** Loads of the last while. */
  get spent(): number {
    const since = performance.now() - this.limits.within;
    this.#taken = this.#taken.filter((time) => time > since);
    return this.#taken.length;
  }

  /** Whether there may be another load. */
  get left(): boolean {
    return this.spent < this.limits.most;
  }

  /** Counts one. */
  take(): void {
    this.#taken.push(performance.now());
  }
}
