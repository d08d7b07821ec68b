import { loss } from "../state/loss.ts";
import { open, replaceModel } from "../state/model.ts";

/** Says that the GPU went away, and what becomes of the model: a line that comes and goes by itself where all is well. */
export function LossBanner() {
  const source = open.value?.source;
  const what = source && loss.value;
  return (
    // There from the start, so that what comes into it is read out.
    <div class="loss" role="status" data-testid="loss" data-loss={what}>
      {what === "restoring" && <p>The GPU was reset. Bringing {source?.name} back…</p>}
      {what === "restored" && <p>{source?.name} is back, and goes on where it was.</p>}
      {what === "gone" && source && (
        <p class="actions">
          The GPU was reset, and {source.name} could not be brought back.
          <button type="button" class="secondary" onClick={() => void replaceModel(source)}>
            Open {source.name} again
          </button>
        </p>
      )}
    </div>
  );
}
