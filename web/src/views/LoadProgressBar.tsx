import type { LoadProgress } from "looplm";
import { bytes } from "../model/format.ts";

const PHASES: Record<LoadProgress["phase"], string> = {
  adapter: "Asking the browser for the GPU",
  config: "Reading the configuration",
  tokenizer: "Reading the tokenizer",
  weights: "Loading the weights",
  compile: "Preparing the GPU’s programs",
  ready: "Ready",
};

/** How far loading is, in words and as a bar. */
export function LoadProgressBar({ progress, onCancel }: { progress: LoadProgress; onCancel: () => void }) {
  const { phase, loaded, total } = progress;
  const share = phase === "weights" && total > 0 ? loaded / total : undefined;
  const words =
    phase === "weights" && total > 0
      ? `${PHASES.weights}: ${bytes(loaded)} of ${bytes(total)}`
      : PHASES[phase];
  return (
    <div class="load-progress">
      <progress aria-label={PHASES[phase]} max={1} value={share} />
      <span class="note">{words}</span>
      <button type="button" class="quiet" onClick={onCancel}>
        Cancel
      </button>
    </div>
  );
}
