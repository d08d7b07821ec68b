import { open, trainedSteps } from "../state/model.ts";
import { setSteps } from "../state/start.ts";
import { columns, q, shownSteps, steps, summary } from "../state/view.ts";
import { Slider } from "./Slider.tsx";

const STEP_CHOICES = [1, 2, 3, 4, 5, 6, 7, 8];

/** The threshold q and the number of recurrent steps. */
export function ExitControls() {
  const { meanExit, right } = summary.value;
  const beyond = steps.value > trainedSteps.value;
  return (
    <section class="card controls" aria-labelledby="controls-title">
      <h2 id="controls-title">
        Leave when the gate is <span class="mono gate-ink">{Math.round(q.value * 100)} %</span> sure
      </h2>
      <Slider
        class="q"
        min={0.05}
        max={1}
        step={0.01}
        value={q.value}
        label="Exit threshold q"
        valueText={q.value >= 1 ? "1, never leaves early" : q.value.toFixed(2)}
        onValue={(value) => (q.value = value)}
      />
      <p class="ends">
        <span>faster</span>
        <span>{q.value >= 1 ? "never early" : "deeper"}</span>
      </p>
      {columns.value.length > 0 && (
        <dl>
          <dt>mean exit step</dt>
          <dd>
            {meanExit.toFixed(2)} of {shownSteps.value}
          </dd>
          {right !== undefined && (
            <>
              <dt>right when it left</dt>
              <dd>
                {right.count} of {right.of}
              </dd>
            </>
          )}
        </dl>
      )}
      <fieldset class="steps" disabled={open.value === undefined}>
        <legend>Recurrent steps</legend>
        <div class="steps-row">
          {STEP_CHOICES.map((n) => (
            <label key={n} class={n > trainedSteps.value ? "beyond" : undefined}>
              <input
                type="radio"
                name="steps"
                value={n}
                checked={steps.value === n}
                onChange={() => setSteps(n)}
              />
              <span>{n}</span>
            </label>
          ))}
        </div>
        <p class="note">
          {beyond
            ? `Extrapolation: the model was trained with ${trainedSteps.value}.`
            : `Trained with ${trainedSteps.value}; more is extrapolation.`}
        </p>
      </fieldset>
    </section>
  );
}
