import { canAct } from "../../state/train/control.ts";
import { busyWith, downloadModel, modelName, resultError, watchModel } from "../../state/train/result.ts";
import type { Run } from "../../state/train/runs.ts";
import { ErrorNote } from "../ErrorNote.tsx";

/** What to do with the trained model. */
export function ResultPanel({ run }: { run: Run }) {
  if (run.update === 0) return null;
  const off = !canAct(run) || busyWith.value !== undefined;
  return (
    <section class="card result" aria-labelledby="result-title">
      <h2 id="result-title">The model</h2>
      <p class="note">
        A folder as Hugging Face lays out Ouro: this page’s exit view, the command line and Transformers open
        it.
      </p>
      <p class="actions">
        <button
          type="button"
          class="primary"
          disabled={off}
          data-testid="watch-model"
          onClick={() => void watchModel(run.id)}
        >
          Watch it think
        </button>
        <button
          type="button"
          class="secondary"
          disabled={off}
          data-testid="download"
          onClick={() => void downloadModel(run.id)}
        >
          Download {modelName(run)}.zip
        </button>
        <span class="note" role="status">
          {busyWith.value && "Fetching the weights from the GPU…"}
        </span>
      </p>
      {resultError.value?.run === run.id && <ErrorNote error={resultError.value.error} />}
    </section>
  );
}
