import { cellColours } from "../../layout/colours.ts";
import { plural } from "../../model/format.ts";
import { type Group, meansSentence } from "../../model/who/means.ts";
import { whoIsWho } from "../../state/model.ts";
import { theme } from "../../state/theme.ts";
import { shownSteps } from "../../state/view.ts";
import { compared, means } from "../../state/who/found.ts";
import { askSamples, state } from "../../state/who/run.ts";

/** Words of the pattern against names: at which steps they left, over all sentences since the model was opened. */
export function ExitMeans() {
  const { pattern, byHops } = means.value;
  const groups = [pattern, ...byHops].filter((group) => group.words > 0);
  const sentence = meansSentence(means.value);
  const more = (whoIsWho.value?.samples.length ?? 0) > 1;
  return (
    <section class="card means" aria-labelledby="means-title" data-testid="means">
      <h2 id="means-title">Which words take longer?</h2>
      <p class="note">
        Words of the pattern, such as “of”, “is” and the full stop, follow from the words before them; names
        have to be remembered. Measured on what this model has answered so far:{" "}
        {plural(compared.value, "sentence")}.
      </p>
      <div class="means-body">
        {groups.length > 0 && (
          <table class="means-table">
            <caption class="visually-hidden">At which step words left the loop</caption>
            <thead>
              <tr>
                <th scope="col">what</th>
                <th scope="col">words that left at step 1 to {shownSteps.value}</th>
                <th scope="col">mean step</th>
              </tr>
            </thead>
            <tbody>
              {groups.map((group) => (
                <Row key={group.label} group={group} />
              ))}
            </tbody>
          </table>
        )}
        <div>
          {sentence && <p class="caption">{sentence}</p>}
          {more && (
            <p class="actions">
              <button
                type="button"
                class="secondary"
                disabled={state.value === "running"}
                onClick={() => void askSamples()}
              >
                Ask all the samples
              </button>
            </p>
          )}
        </div>
      </div>
    </section>
  );
}

function Row({ group: { label, words, left, mean } }: { group: Group }) {
  const spoken = left.map((n, i) => `step ${i + 1}: ${n}`).join(", ");
  return (
    <tr>
      <th scope="row">
        {label} <span class="means-count">{words}</span>
      </th>
      <td>
        <span class="visually-hidden">{spoken}</span>
        <span class="means-bar" aria-hidden="true">
          {left.map((n, i) => {
            const { background, text } = cellColours(theme.value, i + 1, left.length, 0.9);
            return n === 0 ? null : (
              <i
                key={i}
                style={{ flexGrow: n, background, color: text }}
                title={`${n} left at step ${i + 1}`}
              >
                {i + 1}
              </i>
            );
          })}
        </span>
      </td>
      <td class="mono">{mean.toFixed(2)}</td>
    </tr>
  );
}
