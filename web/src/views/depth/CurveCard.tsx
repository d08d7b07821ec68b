import { curveSentence } from "../../model/depth/curve.ts";
import { percent, plural } from "../../model/format.ts";
import {
  curve,
  curveError,
  measure,
  measuring,
  point,
  RANDOM_QUESTIONS,
  stop,
} from "../../state/depth/curve.ts";
import { live } from "../../state/depth/meter.ts";
import { whoIsWho } from "../../state/model.ts";
import { q } from "../../state/view.ts";
import { RunError } from "../RunError.tsx";
import { Slider } from "../Slider.tsx";
import { SweepPlot, SweepTable } from "../train/SweepPlot.tsx";

/** How many names are right for the steps they take: measured once, and then read off for every q. */
export function CurveCard() {
  const task = whoIsWho.value;
  if (!task) return null;
  const now = measuring.value;
  const measured = curve.value;
  return (
    <section class="card curve" aria-labelledby="curve-title" data-testid="curve">
      <h2 id="curve-title">What does leaving early cost?</h2>
      <p class="note">
        The {plural(task.samples.length, "sample")} and {RANDOM_QUESTIONS} questions drawn at random go
        through all steps once. What each step would have answered, and when the gate would have left, then
        gives the whole curve.
      </p>
      {now ? (
        <div class="load-progress">
          <progress aria-label="Questions asked" max={now.of} value={now.done} />
          <span class="note">
            {now.done} of {plural(now.of, "question")}
          </span>
          <button type="button" class="quiet" onClick={stop}>
            Stop
          </button>
        </div>
      ) : (
        <p class="actions">
          <button
            type="button"
            class="secondary"
            disabled={live.value !== undefined}
            onClick={() => void measure()}
          >
            {measured ? "Measure it again" : "Measure the curve"}
          </button>
        </p>
      )}
      {curveError.value && <RunError error={curveError.value} />}
      {measured && <Measured {...measured} />}
    </section>
  );
}

function Measured({ sweep, full, steps, questions }: NonNullable<typeof curve.value>) {
  const at = point.value;
  if (!at) return null;
  return (
    <>
      <div class="sweep">
        <SweepPlot sweep={sweep} fullAccuracy={full} steps={steps} point={at} />
        <div class="sweep-side">
          <p>
            <strong>
              q = <span class="mono gate-ink">{at.q.toFixed(2)}</span>
            </strong>
          </p>
          <Slider
            min={0.05}
            max={1}
            step={0.01}
            value={q.value}
            label="Threshold q on the curve"
            valueText={`q ${at.q.toFixed(2)}: ${at.meanSteps.toFixed(2)} mean steps, ${percent(at.accuracy)} right`}
            onValue={(value) => (q.value = value)}
          />
          <p class="ends">
            <span>faster</span>
            <span>deeper</span>
          </p>
          <dl>
            <dt>mean steps of a name</dt>
            <dd>
              {at.meanSteps.toFixed(2)} of {steps}
            </dd>
            <dt>names right</dt>
            <dd>{percent(at.accuracy)}</dd>
            <dt>all steps (dashed)</dt>
            <dd>{percent(full)}</dd>
            <dt>questions</dt>
            <dd>{questions}</dd>
          </dl>
        </div>
        <SweepTable sweep={sweep} />
      </div>
      <p class="caption">{curveSentence(at, full, steps)}</p>
    </>
  );
}
