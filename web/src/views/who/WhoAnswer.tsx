import { plural } from "../../model/format.ts";
import { type Question, trail, type WhoTask } from "../../model/who/task.ts";
import { whoIsWho } from "../../state/model.ts";
import { columns, exits, shownSteps } from "../../state/view.ts";
import { answerPlace, asked, state, words } from "../../state/who/run.ts";
import { opensTokens, ShadeLegend, shadeStyle } from "../SaidToken.tsx";
import { ByStep } from "./ByStep.tsx";

/** The sentence as the model completes it, whether it is true, and what each step would have said. */
export function WhoAnswer() {
  const task = whoIsWho.value;
  const now = asked.value;
  const done = state.value === "done";
  return (
    <>
      <h3>Its answer</h3>
      <Sentence />
      {/* Read once, when it is whole. */}
      <p class="who-verdict" aria-live="polite">
        {done && task && now && <Verdict task={task} />}
      </p>
      {task && now && "question" in now && answerPlace.value !== undefined && (
        <>
          <h3>What each step would have said</h3>
          <ByStep place={answerPlace.value} people={trail(now.question, task)} />
        </>
      )}
    </>
  );
}

function Sentence() {
  const steps = shownSteps.value;
  return (
    <>
      <p
        class="who-sentence"
        data-testid="answer"
        data-state={state.value}
        data-answer={words.value[answerPlace.value ?? -1]?.text}
        data-exit-steps={JSON.stringify(exits.value)}
        {...opensTokens}
      >
        {words.value.map((word, i) => {
          const exit = exits.value[i] ?? 0;
          if (word.kind === "given")
            return (
              <span key={i} class="word given">
                {word.text}{" "}
              </span>
            );
          return (
            <span key={i} class="word">
              <span
                class={word.kind === "name" ? "said-token said" : "said-token"}
                data-token={i}
                style={shadeStyle(exit, steps)}
                title={`left at step ${exit} of ${steps}`}
              >
                {word.text}
                <small aria-hidden="true">{exit}</small>
              </span>
              {word.kind === "name" && <Truth place={i} text={word.text} />}{" "}
            </span>
          );
        })}
        {words.value.length === 0 && state.value === "running" && "Thinking …"}
      </p>
      {words.value.length > 0 && <ShadeLegend />}
    </>
  );
}

/** Whether a name that was said is the true one; of a question the facts are told below. */
function Truth({ place, text }: { place: number; text: string }) {
  const truth = columns.value[place]?.truth;
  if (truth === undefined) return null;
  if (text === truth) return <span class="verdict right">right</span>;
  return <span class="verdict wrong">{place === answerPlace.value ? "wrong" : `it is ${truth}`}</span>;
}

function Verdict({ task }: { task: WhoTask }) {
  const now = asked.value;
  if (now && "question" in now) return <FactsOf question={now.question} task={task} />;
  const told = columns.value.filter((column) => column.truth !== undefined);
  const right = told.filter((column) => column.label === column.truth).length;
  return (
    <>
      {right} of the {plural(told.length, "fact")} it told {right === 1 ? "is" : "are"} true.
    </>
  );
}

/** The way from the person to the answer, in a sentence: "By the facts: alice’s friend is bob, bob’s boss is david." */
function FactsOf({ question, task }: { question: Question; task: WhoTask }) {
  const people = trail(question, task);
  const said = words.value[answerPlace.value ?? -1]?.text;
  const facts = question.path.map((relation, i) => `${people[i]}’s ${relation} is ${people[i + 1]}`);
  return (
    <>
      {said !== undefined && (
        <span class="visually-hidden">
          It says {said}, which is {said === people.at(-1) ? "right" : "wrong"}.{" "}
        </span>
      )}
      By the facts, {facts.join(", and ")}.
    </>
  );
}
