import { FIRST, openError, opening, openModel, sameModel } from "../state/model.ts";
import { OpeningError } from "./offers/OpeningError.tsx";
import { OpeningProgress } from "./offers/OpeningProgress.tsx";

/** What stands in the prompt's place until the first model is there. */
export function LoadingPanel() {
  const error = openError.value;
  const next = opening.value;
  const first = (
    <button type="button" class="secondary" onClick={() => void openModel(FIRST)}>
      Open the shipped model
    </button>
  );
  return (
    <section class="card ask loading" aria-labelledby="loading-title">
      <h2 id="loading-title">{next ? `Opening ${next.source.name}` : "No model is open"}</h2>
      {next && <OpeningProgress opening={next} />}
      {error && <OpeningError error={error}>{!sameModel(error.source, FIRST) && first}</OpeningError>}
      {!next && !error && first}
    </section>
  );
}
