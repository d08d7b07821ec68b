import {
  phaseWords,
  progressFigures,
  shareOf,
  type Stage,
  stageNames,
  stageOf,
} from "../../model/offers/loading.ts";
import { cancelOpening, type Opening } from "../../state/model.ts";

const STAGES: readonly Stage[] = ["download", "upload", "compile"];

/** How far loading is: its parts, a bar with figures, and the way out. */
export function OpeningProgress({ opening }: { opening: Opening }) {
  const { source, progress, downloads } = opening;
  const format = source.held?.format ?? "stored";
  const words = phaseWords(progress, format);
  const names = stageNames(format);
  // What the cache has need not be downloaded, and what is not to be kept is loaded in one go.
  const stages = STAGES.filter((stage) => stage !== "download" || downloads);
  const now = stages.indexOf(stageOf(progress.phase));
  return (
    <div class="load-progress" data-testid="opening" data-phase={progress.phase}>
      <ol class="stages" aria-label="Parts of loading">
        {stages.map((stage, i) => (
          <li key={stage} aria-current={i === now ? "step" : undefined} class={i < now ? "over" : undefined}>
            {names[stage]}
            {i < now && <span class="visually-hidden"> (done)</span>}
          </li>
        ))}
      </ol>
      <progress aria-label={words} max={1} value={shareOf(progress)} />
      <p class="note load-words">
        {/* Figures change too often to be read out; the bar tells them to whoever asks. */}
        <span role="status">{words}</span>
        <span class="load-figures">{progressFigures(progress)}</span>
      </p>
      <button type="button" class="quiet" onClick={cancelOpening}>
        Cancel
      </button>
      {progress.phase === "download" && (
        <p class="note load-kept">
          What has come so far stays if you cancel: the next load goes on from there.
        </p>
      )}
    </div>
  );
}
