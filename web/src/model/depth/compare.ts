import type { Figures } from "./figures.ts";
import { POLICIES } from "./memory.ts";
import { type Depth, keptWith, type Mode, MODES, ruleWords } from "./settings.ts";

/** An answer, how it was made and what it took. */
export interface Kept {
  depth: Depth;
  /** The ids of the answer's tokens. */
  ids: readonly number[];
  figures: Figures;
}

/** A line of the comparison. */
export interface Compared {
  mode: Mode;
  name: string;
  /** Rule and policy in a few words. */
  how: string;
  figures: Figures;
  /** Length of its bar as a share of the fastest. */
  share: number;
  /** How many times as fast as full depth; undefined for full depth itself, and where it was not measured. */
  ratio: number | undefined;
  /** Whether its text is that of full depth. */
  text: string | undefined;
}

/** What answers are kept by: the last one of each counts. Full depth that keeps less is something else than full depth. */
export function keptAs(depth: Depth): string {
  return depth.mode === "full" ? `full ${depth.kv}` : depth.mode;
}

const BASE = "full full";

/** The kept answers to one prompt beside each other, in the order of the modes. */
export function compare(kept: ReadonlyMap<string, Kept>): Compared[] {
  const base = kept.get(BASE);
  const fastest = Math.max(0, ...[...kept.values()].map(({ figures }) => figures.tokensPerSecond ?? 0));
  return MODES.flatMap(({ mode, name }) =>
    [...kept.entries()]
      .filter(([, { depth }]) => depth.mode === mode)
      .map(([key, { depth, figures, ids }]) => {
        const speed = figures.tokensPerSecond;
        const full = base?.figures.tokensPerSecond;
        const isBase = key === BASE;
        return {
          ...{ mode, name, figures, how: howMade(depth) },
          share: speed !== undefined && fastest > 0 ? speed / fastest : 0,
          ratio: isBase || speed === undefined || !full ? undefined : speed / full,
          text: isBase || !base ? undefined : sameText(ids, base.ids),
        };
      }),
  );
}

function howMade(depth: Depth): string {
  const parts = depth.mode === "full" ? [] : [ruleWords(depth)];
  const kv = keptWith(depth);
  const policy = POLICIES.find((p) => p.kv === kv);
  if (policy && kv !== "full") parts.push(`keeps ${policy.name.toLowerCase()}`);
  return parts.join(", ");
}

/** "same text", or where it begins to differ. */
function sameText(ids: readonly number[], full: readonly number[]): string {
  const length = Math.max(ids.length, full.length);
  for (let i = 0; i < length; i++) if (ids[i] !== full[i]) return `other text from token ${i + 1} on`;
  return "same text";
}

/** "1.4× full depth"; how much slower or faster, in a way that is not read as more than it is. */
export function ratioWords(ratio: number): string {
  return `${ratio.toFixed(ratio < 10 ? 1 : 0)}× full depth`;
}

/** Guesses of all steps together. */
export function totals({ drafts }: Figures): { drafted: number; accepted: number } {
  return {
    drafted: drafts.reduce((sum, d) => sum + d.drafted, 0),
    accepted: drafts.reduce((sum, d) => sum + d.accepted, 0),
  };
}
