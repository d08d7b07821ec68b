import { asked, state as shuffleState } from "../state/shuffle-run.ts";
import * as chat from "../state/chat-run.ts";
import { open, opening } from "../state/model.ts";
import { columns, q, shownSteps, summary } from "../state/view.ts";
import * as who from "../state/who/run.ts";
import { plural } from "../model/format.ts";
import { ExitGrid } from "./ExitGrid.tsx";
import { ExitLegend } from "./ExitLegend.tsx";

/** The heart of the page: tokens across, recurrent steps down, and the line where the gate let each token go. */
export function ExitView() {
  return (
    <section class="card exit-view" aria-labelledby="exit-title">
      <h2 id="exit-title">{title()}</h2>
      <p class="note" id="exit-how">
        {noun("Tokens", "Words")} across, recurrent steps down. A cell is {whatACellIs()} after that step: the
        fuller, the surer. The line is where the gate let each {noun("token", "word")} go.
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
  if (open.value?.task?.kind === "who-is-who") {
    return who.namesTakeLonger.value
      ? "Names need more loops than the words around them"
      : "Every word, thought over again and again";
  }
  return needed && needed.second > needed.first
    ? "Longer shuffles need more loops"
    : "Every token, thought over again and again";
}

/** Who is who speaks whole words only. */
function noun(token: string, word: string): string {
  return open.value?.task?.kind === "who-is-who" ? word : token;
}

function whatACellIs(): string {
  const current = open.value;
  if (current?.task?.kind === "who-is-who") return "the word the model would have said";
  return current && !current.task
    ? "the token the model would have said"
    : "where the model believes the cups are";
}

/** The threshold that the shown text was made with; undefined where there is no text of the model. */
function madeWith(): number | undefined {
  const current = open.value;
  if (current?.task?.kind === "who-is-who") return who.madeWith.value;
  return current && !current.task ? chat.madeWith.value : undefined;
}

function Caption() {
  const { tokens, steps, after, meanExit, right, needed } = summary.value;
  if (tokens === 0) return null;
  const made = madeWith();
  // While words come, or columns, the numbers change all the time; they are read out when they stay.
  const busy =
    who.state.value === "running" ||
    chat.state.value === "running" ||
    chat.tracing.value ||
    (shuffleState.value === "running" && asked.value.length !== tokens);
  return (
    <p class="caption" aria-live="polite" aria-busy={busy}>
      <strong>
        {after === 0
          ? `All ${steps} steps came before the gate had left.`
          : `${after} of ${steps} steps came after the gate had left.`}
      </strong>{" "}
      On average a {noun("token", "word")} left at step {meanExit.toFixed(1)} of {shownSteps.value}.{" "}
      {right !== undefined &&
        `${right.count} of ${plural(right.of, "answer")} ${right.count === 1 || right.of === 1 ? "was" : "were"} right when it left. `}
      {needed &&
        `To get it right and stay right took ${needed.first.toFixed(1)} steps in the first half of the shuffle, ${needed.second.toFixed(1)} in the second.`}
      {made !== undefined && made !== q.value && `The text itself was made with q = ${made.toFixed(2)}.`}
    </p>
  );
}
