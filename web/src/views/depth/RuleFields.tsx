import type { Rule } from "../../model/depth/settings.ts";
import { fields, mode, rule, setNumber, thrifty } from "../../state/depth/settings.ts";
import { q } from "../../state/view.ts";
import { Slider } from "../Slider.tsx";

/** When a word is guessed, or leaves: the gate's threshold, or another rule with its number. */
export function RuleFields() {
  const guesses = mode.value === "verified";
  const field = fields.value.find((f) => f.rule === rule.value);
  return (
    <div class="depth-rule">
      {field ? (
        <p>
          {guesses ? "It guesses by another rule: " : "It leaves by another rule: "}
          <strong>{field.name.toLowerCase()}</strong>.
        </p>
      ) : (
        <>
          <p id="depth-q">
            {guesses ? "Guess" : "Leave"} when the gate is{" "}
            <span class="mono gate-ink">{Math.round(q.value * 100)} %</span> sure
          </p>
          <Slider
            min={0.05}
            max={1}
            step={0.01}
            value={q.value}
            label={guesses ? "Guess when the gate reaches q" : "Leave when the gate reaches q"}
            valueText={q.value >= 1 ? "1, never early" : q.value.toFixed(2)}
            onValue={(value) => (q.value = value)}
          />
          <p class="ends">
            <span>{guesses ? "guess early, and be wrong more often" : "faster"}</span>
            <span>{q.value >= 1 ? "never early" : guesses ? "guess late" : "deeper"}</span>
          </p>
        </>
      )}
      <details class="other-rules" open={field !== undefined}>
        <summary>Other rules</summary>
        <div class="other-row">
          <label>
            <span>Rule</span>
            <select
              aria-label="Exit rule"
              value={rule.value}
              onChange={(event) => (rule.value = event.currentTarget.value as Rule)}
            >
              <option value="gate">Gate (the slider)</option>
              {fields.value.map(({ rule: value, name }) => (
                <option key={value} value={value} selected={value === rule.value}>
                  {name}
                </option>
              ))}
            </select>
          </label>
          {field && (
            <label>
              <span>{field.label}</span>
              <input
                key={field.rule}
                type="number"
                min={field.min}
                max={field.max}
                step={field.step}
                value={field.value}
                onChange={(event) => {
                  setNumber(field.rule, event.currentTarget.valueAsNumber);
                  const kept = fields.value.find((f) => f.rule === field.rule);
                  event.currentTarget.value = String(kept?.value ?? "");
                }}
              />
            </label>
          )}
        </div>
        {field && <p class="note">{field.says}</p>}
        {guesses && (
          <label class="check">
            <input
              type="checkbox"
              checked={thrifty.value}
              onChange={(event) => (thrifty.value = event.currentTarget.checked)}
            />
            Leave out guesses where they do not pay
          </label>
        )}
      </details>
    </div>
  );
}
