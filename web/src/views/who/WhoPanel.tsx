import { trainedSteps, whoIsWho } from "../../state/model.ts";
import { steps } from "../../state/view.ts";
import { error } from "../../state/who/run.ts";
import { RunError } from "../RunError.tsx";
import { QuestionForm } from "./QuestionForm.tsx";
import { Samples } from "./Samples.tsx";
import { WhoAnswer } from "./WhoAnswer.tsx";

/** Who is who: what to ask, and what the model says. */
export function WhoPanel() {
  const task = whoIsWho.value;
  if (!task) return null;
  return (
    <section class="card ask questions" aria-labelledby="ask-title">
      <div class="ask-words">
        <h2 id="ask-title">Ask who is who</h2>
        <p>
          This model was taught {task.names.length} people by heart: who is whose {listed(task.relations)}.
          Your question gives no hint, so it has to remember. {task.hops > 1 && ABOUT_HOPS}
        </p>
        <Samples task={task} />
        <QuestionForm task={task} />
        {steps.value > trainedSteps.value && (
          <p class="note">
            {steps.value} steps: trained with {trainedSteps.value}, so this is extrapolation.
          </p>
        )}
      </div>
      <div class="ask-answer">
        <WhoAnswer />
        {error.value && <RunError error={error.value} />}
      </div>
    </section>
  );
}

const ABOUT_HOPS =
  "A question can ask for one fact, or for facts one after another: for the boss of the friend of alice it must first find her friend. Each fact is a hop.";

const MOST_LISTED = 8;

/** "friend, boss or guide". */
function listed(words: readonly string[]): string {
  if (words.length > MOST_LISTED) return `${words.slice(0, MOST_LISTED).join(", ")} and so on`;
  return [words.slice(0, -1).join(", "), words.at(-1)].filter(Boolean).join(" or ");
}
