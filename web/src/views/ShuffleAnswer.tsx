import { stepHue } from "../layout/colours.ts";
import { percent } from "../model/format.ts";
import { answer, answerAt, asked, state } from "../state/shuffle-run.ts";
import { theme } from "../state/theme.ts";
import { columns, exits, shownSteps } from "../state/view.ts";
import { MiniCups } from "./Cups.tsx";

/** What the model says of the whole shuffle, and what it would have said after every step. */
export function ShuffleAnswer() {
  const said = answer.value;
  return (
    <>
      <p
        class="answer"
        data-testid="answer"
        data-state={state.value}
        data-answer={said?.text}
        data-exit-steps={JSON.stringify(exits.value)}
        aria-live="polite"
      >
        {said ? <Sentence said={said} /> : state.value === "running" ? "Thinking …" : ""}
      </p>
      {said && <Steps />}
    </>
  );
}

function Sentence({ said }: { said: NonNullable<typeof answer.value> }) {
  return (
    <>
      <span class="answer-text">
        {said.place === undefined ? said.text : `Place ${said.place}`}
        <span class={said.right ? "verdict right" : "verdict wrong"}>{said.right ? "right" : "wrong"}</span>
      </span>
      <span class="answer-how">
        The model says {said.text} after {asked.value.length === 1 ? "1 move" : `${asked.value.length} moves`}
        , {percent(said.probability)} sure; it left at step {said.step} of {shownSteps.value}.
        {!said.right && said.truth !== undefined && ` It is ${said.truth}.`}
      </span>
    </>
  );
}

function Steps() {
  const last = columns.value.length - 1;
  const exit = exits.value[last];
  return (
    <ol class="by-step" aria-label="The answer after each step">
      {columns.value[last]?.steps.map((_, index) => {
        const step = index + 1;
        const said = answerAt(last, step);
        if (!said) return null;
        return (
          <li
            key={step}
            class={step === exit ? "left-here" : step > (exit ?? 0) ? "after" : undefined}
            style={{ "--hue": stepHue(theme.value, step, shownSteps.value) }}
          >
            <span class="by-step-name">step {step}</span>
            <MiniCups text={said.text} />
            <span class="visually-hidden">{said.text}, </span>
            <span class={said.right ? "verdict right" : "verdict wrong"}>
              {said.right ? "right" : "wrong"}
            </span>
            {step === exit && <span class="by-step-left">left here</span>}
          </li>
        );
      })}
    </ol>
  );
}
