import { timelineSentence } from "../../model/depth/timeline.ts";
import { last, live } from "../../state/depth/meter.ts";
import { noun } from "./noun.ts";
import { TimelineGrid } from "./TimelineGrid.tsx";
import { TimelineTable } from "./TimelineTable.tsx";

/** The last answer, pass by pass. */
export function TimelineCard() {
  const answer = last.value;
  const token = noun("token", "word");
  return (
    <section class="card timeline" aria-labelledby="timeline-title" data-testid="timeline">
      <h2 id="timeline-title">Pass by pass</h2>
      <p class="note">
        Passes over the layers go across, a lane is a {token} on its way through the loop. Where lanes
        overlap, several {token}s share a pass.
      </p>
      {answer && answer.timeline.lanes.length > 0 ? (
        <>
          <TimelineGrid answer={answer} />
          <p class="caption" data-testid="timeline-words">
            {timelineSentence(answer.finish, answer.timeline, answer.steps, token)}
            {answer.timeline.of > answer.timeline.passes &&
              ` The first ${answer.timeline.passes} passes are shown.`}
          </p>
          <TimelineTable timeline={answer.timeline} />
        </>
      ) : (
        <p class="timeline-empty">
          {live.value
            ? "It is drawn when the answer is whole."
            : answer
              ? timelineSentence(answer.finish, answer.timeline, answer.steps, token)
              : "The passes of the next answer will appear here."}
        </p>
      )}
    </section>
  );
}
