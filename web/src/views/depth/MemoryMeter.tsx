import { bytesPerToken, POLICIES, savingWords } from "../../model/depth/memory.ts";
import { bytes } from "../../model/format.ts";
import { last } from "../../state/depth/meter.ts";
import { kv, mode, setKv } from "../../state/depth/settings.ts";
import { open } from "../../state/model.ts";
import { steps, summary } from "../../state/view.ts";
import { noun } from "./noun.ts";

/** What an answer keeps of every token for those after it, and what else could be kept. */
export function MemoryMeter() {
  const memory = open.value?.info.memory.kvPer1000Tokens;
  if (!memory) return null;
  const meanSteps = summary.value.tokens > 0 ? summary.value.meanExit : steps.value;
  const each = POLICIES.map((policy) => ({
    ...policy,
    takes: bytesPerToken(policy.kv, memory, steps.value, meanSteps),
  }));
  const full = bytesPerToken("full", memory, steps.value, steps.value);
  const fixed = mode.value === "verified";
  const answer = last.value;
  const token = noun("token", "word");
  return (
    <section class="card memory" aria-labelledby="memory-title" data-testid="memory">
      <h2 id="memory-title">What it keeps in memory</h2>
      <p class="note">
        So that later {token}s can look back, each {token} leaves notes (its keys and values), one set for
        each step.{" "}
        {answer && (
          <>
            The last answer held <strong data-testid="kv-bytes">{bytes(answer.figures.kvBytes)}</strong> for{" "}
            {answer.figures.kept} {token}s, prompt included.
          </>
        )}
      </p>
      <fieldset disabled={fixed} aria-describedby={fixed ? "memory-fixed" : undefined}>
        <legend class="visually-hidden">What to keep</legend>
        {each.map(({ kv: value, name, says, breaks, takes }) => (
          <label key={value} class="policy">
            <input
              type="radio"
              name="kv"
              value={value}
              checked={kv.value === value}
              onChange={() => setKv(value)}
            />
            <span class="policy-name">{name}</span>
            <span class="compared-bar" aria-hidden="true">
              <i style={{ width: `${(takes / full) * 100}%` }} />
            </span>
            <span class="policy-takes">
              <span>
                {value === "last-exited" && "about "}
                {bytes(takes)} a {token}
              </span>
              <small>{savingWords(takes, full)}</small>
            </span>
            <span class="policy-says">{says}</span>
            {breaks && <span class="verdict wrong">known to break models</span>}
          </label>
        ))}
      </fieldset>
      {fixed && (
        <p class="note" id="memory-fixed">
          A guess is checked against what full depth would say, and full depth looks at the notes of every
          step: so a verified answer keeps them all. The other modes let you choose.
        </p>
      )}
    </section>
  );
}
