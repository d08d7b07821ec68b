import { plural } from "../../model/format.ts";
import { promptOf, type Sample, type WhoTask } from "../../model/who/task.ts";
import { ask, asked } from "../../state/who/run.ts";

/** The questions that come with the model, a button each, by how many facts they take. */
export function Samples({ task }: { task: WhoTask }) {
  const { samples } = task;
  if (samples.length === 0) return null;
  const hops = [...new Set(samples.map((sample) => sample.question.path.length))].sort((a, b) => a - b);
  const kept = samples.find((sample) => sample.heldOut);
  return (
    <>
      <ul class="samples" aria-label="Sample questions">
        {hops.map((n) => (
          <li key={n}>
            <span class="samples-hops">{plural(n, "hop")}</span>
            <span class="samples-chips">
              {samples
                .filter((sample) => sample.question.path.length === n)
                .map((sample) => (
                  <SampleButton key={promptOf(sample.question)} sample={sample} />
                ))}
            </span>
          </li>
        ))}
      </ul>
      {kept && (
        <p class="note">
          The questions of {kept.question.path.length} hops above were kept out of its training: it was never
          told their answers.
        </p>
      )}
    </>
  );
}

function SampleButton({ sample: { question } }: { sample: Sample }) {
  const prompt = promptOf(question);
  const now = asked.value;
  const current = now !== undefined && "question" in now && promptOf(now.question) === prompt;
  return (
    <button type="button" class="chip" aria-pressed={current} onClick={() => void ask(question)}>
      {prompt}&nbsp;…
    </button>
  );
}
