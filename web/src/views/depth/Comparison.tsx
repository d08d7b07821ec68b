import { compare, type Compared, ratioWords } from "../../model/depth/compare.ts";
import { rounded } from "../../model/depth/figures.ts";
import { MODES } from "../../model/depth/settings.ts";
import { measureAll, measureError, measuring, stopMeasuring } from "../../state/depth/measure.ts";
import { kept, live, request } from "../../state/depth/meter.ts";
import { RunError } from "../RunError.tsx";
import { noun } from "./noun.ts";

/** The modes beside each other, as far as they answered the same prompt. */
export function Comparison() {
  const lines = compare(kept.value);
  const now = measuring.value;
  return (
    <section class="card comparison" aria-labelledby="comparison-title" data-testid="comparison">
      <h2 id="comparison-title">Is it faster?</h2>
      <p class="note">
        The same prompt in each mode, from the first {noun("token", "word")} on, on this machine. Every step
        is traced for the view above, which slows all modes a little.
      </p>
      <ol class="compared" aria-live="polite" aria-busy={now !== undefined}>
        {MODES.flatMap(({ mode, name }) => {
          const measured = lines.filter((line) => line.mode === mode);
          return measured.length > 0
            ? measured.map((line) => <Line key={`${mode} ${line.how}`} line={line} />)
            : [
                <li key={mode} class="unmeasured">
                  <span class="compared-name">{name}</span>
                  <span class="note">not measured with this prompt</span>
                </li>,
              ];
        })}
      </ol>
      {now ? (
        <div class="load-progress">
          <progress aria-label="Answers measured" max={now.of} value={now.done} />
          <span class="note">
            {MODES.find(({ mode }) => mode === now.mode)?.name}: {now.done + 1} of {now.of}
          </span>
          <button type="button" class="quiet" onClick={stopMeasuring}>
            Stop
          </button>
        </div>
      ) : (
        <p class="actions">
          <button
            type="button"
            class="secondary"
            disabled={!request.value || live.value !== undefined}
            onClick={() => void measureAll()}
          >
            Measure all three
          </button>
        </p>
      )}
      {measureError.value && <RunError error={measureError.value} />}
    </section>
  );
}

function Line({ line: { mode, name, how, figures, share, ratio, text } }: { line: Compared }) {
  const token = noun("token", "word");
  const { tokensPerSecond: speed, passesPerToken: passes, rowsPerToken: rows } = figures;
  return (
    <li data-mode={mode}>
      <span class="compared-name">
        {name} <small>{how}</small>
      </span>
      <span class="compared-speed">
        {speed === undefined ? "too short to time" : `${rounded(speed)} ${token}s/s`}
        {ratio !== undefined && <strong> {ratioWords(ratio)}</strong>}
      </span>
      <span class="compared-bar" aria-hidden="true">
        <i style={{ width: `${share * 100}%` }} />
      </span>
      <span class="compared-how">
        {passes !== undefined && rows !== undefined && (
          <>
            {rounded(passes)} passes and {rounded(rows)} rows a {token}
          </>
        )}
        {text && <span class={text === "same text" ? "verdict right" : "other-text"}>{text}</span>}
      </span>
    </li>
  );
}
