import { type Run, runs } from "../../state/train/runs.ts";
import { madeRoom } from "../../state/train/session.ts";
import { MOST_RUNS } from "../../state/train/store.ts";
import { runName } from "./names.ts";

/** Which run has made room for a newer one, and which is the next to do so. */
export function KeptNote() {
  const next = nextToGo(runs.value);
  return (
    <p class="note" role="status" data-testid="kept-runs">
      {(madeRoom.value !== undefined || next) && `This browser keeps the ${MOST_RUNS} newest runs. `}
      {madeRoom.value !== undefined && `“${madeRoom.value}” was the oldest and has made room. `}
      {next &&
        `Another one will take the place of ${runName(next, runs.value)}: if you want to have its model, download it first.`}
    </p>
  );
}

/** The oldest run, once as many are kept as can be. */
function nextToGo(all: readonly Run[]): Run | undefined {
  const saved = all.filter((run) => run.savedAt !== undefined);
  if (saved.length < MOST_RUNS) return undefined;
  return saved.reduce((one, other) => (one.savedAt! <= other.savedAt! ? one : other));
}
