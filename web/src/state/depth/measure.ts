import { effect, signal, untracked } from "@preact/signals";
import { errorCode, explain, type Explanation } from "../../model/errors.ts";
import { type Figures, figures, repeated } from "../../model/depth/figures.ts";
import { type Mode, MODES } from "../../model/depth/settings.ts";
import { open } from "../model.ts";
import { generateWith, keep, live, request, Watch } from "./meter.ts";
import { depthOf } from "./settings.ts";

/** How often each mode answers: its speed is the one in the middle. Long answers are asked for once. */
const ROUNDS = 3;
const LONG_SECONDS = 4;

/** The measurement under way. */
export const measuring = signal<{ mode: Mode; done: number; of: number } | undefined>(undefined);
export const measureError = signal<Explanation | undefined>(undefined);

let controller: AbortController | undefined;

/** Stops measuring; what was measured stays. */
export function stopMeasuring(): void {
  controller?.abort();
  controller = undefined;
  measuring.value = undefined;
}

// A question of the person's own comes first, and both at once would measure neither.
effect(() => {
  if (live.value) untracked(stopMeasuring);
});

/** Lets the model answer the last prompt again in every mode, the modes taking turns. */
export async function measureAll(): Promise<void> {
  const current = open.value;
  const asked = request.value;
  if (!current || !asked) return;
  stopMeasuring();
  const mine = new AbortController();
  controller = mine;
  measureError.value = undefined;
  const depths = MODES.map(({ mode }) => {
    const depth = depthOf(mode);
    // Full depth is what the others are held against, so it keeps everything.
    return mode === "full" ? { ...depth, kv: "full" as const } : depth;
  });
  const runs = new Map<Mode, Figures[]>(depths.map(({ mode }) => [mode, []]));
  let rounds = ROUNDS;
  let done = 0;
  try {
    for (let round = 0; round < rounds; round++) {
      for (const depth of depths) {
        measuring.value = { mode: depth.mode, done, of: rounds * depths.length };
        const watch = new Watch();
        const ids: number[] = [];
        const begun = performance.now();
        const stream = generateWith(current.model, asked, depth, mine.signal);
        for (;;) {
          const { done: over, value } = await watch.next(() => stream.next());
          if (over || !value) break;
          ids.push((value as { id: number }).id);
        }
        const finish = await stream.finished;
        if (controller !== mine) return;
        if (performance.now() - begun > LONG_SECONDS * 1000) rounds = 1;
        const all = runs.get(depth.mode)!;
        all.push(figures(finish, asked.steps, watch.seconds));
        keep(asked, { depth, ids, figures: repeated(all)! });
        done++;
      }
    }
  } catch (thrown) {
    if (controller === mine && errorCode(thrown) !== "aborted") measureError.value = explain(thrown);
  } finally {
    if (controller === mine) stopMeasuring();
  }
}
