import { asked, state as shuffleState } from "../state/shuffle-run.ts";
import { madeWith } from "../state/chat-run.ts";
import { open, opening } from "../state/model.ts";
import { columns, q, shownSteps, summary } from "../state/view.ts";
import { plural } from "../model/format.ts";
import { ExitGrid } from "./ExitGrid.tsx";
import { ExitLegend } from "./ExitLegend.tsx";

/** The heart of the page: tokens across, recurrent steps down, and the line where the gate let each token go. */
export function ExitView() {
  return (
    <section class="card exit-view" aria-labelledby="exit-title">
      <h2 id="exit-title">{title()}</h2>
      <p class="note" id="exit-how">
        Tokens across, recurrent steps down. A cell is {whatACellIs()} after that step: the fuller, the surer.
        The line is where the gate let each token go.
      </p>
      {columns.value.length > 0 ? (
        <ExitGrid />
      ) : (
        <div class="exit-empty">
          {opening.value ? "The model is on its way." : "The steps of every token will appear here."}
        </div>
      )}
      <Caption />
      <ExitLegend />
    </section>
  );
}

function title(): string {
  const needed = summary.value.needed;
  // Said only where these very tokens show it.
  return needed && needed.second > needed.first
    ? "Longer shuffles need more loops"
    : "Every token, thought over again and again";
}

function whatACellIs(): string {
  return open.value && !open.value.task
    ? "the token the model would have said"
    : "where the model believes the cups are";
}

function Caption() {
  const { tokens, steps, after, meanExit, right, needed } = summary.value;
  if (tokens === 0) return null;
  const busy = shuffleState.value === "running" && asked.value.length !== tokens;
  return (
    <p class="caption" aria-live="polite" aria-busy={busy}>
      <strong>
        {after === 0
          ? `All ${steps} steps came before the gate had left.`
          : `${after} of ${steps} steps came after the gate had left.`}
      </strong>{" "}
      On average a token left at step {meanExit.toFixed(1)} of {shownSteps.value}.{" "}
      {right !== undefined &&
        `${right.count} of ${plural(right.of, "answer")} ${right.count === 1 ? "was" : "were"} right when it left. `}
      {needed &&
        `To get it right and stay right took ${needed.first.toFixed(1)} steps in the first half of the shuffle, ${needed.second.toFixed(1)} in the second.`}
      {open.value &&
        !open.value.task &&
        madeWith.value !== q.value &&
        `The text itself was made with q = ${madeWith.value.toFixed(2)}.`}
    </p>
  );
}
