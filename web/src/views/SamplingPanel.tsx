import { FIELDS, withinField } from "../model/sampling.ts";
import { sampling } from "../state/chat-run.ts";

/** How the next token is drawn. Takes effect with the next question. */
export function SamplingPanel() {
  return (
    <details class="card sampling" open>
      <summary>
        <h2>Sampling</h2>
      </summary>
      <div class="fields">
        {FIELDS.map((field) => (
          <label key={field.key}>
            <span>{field.name}</span>
            <input
              type="number"
              min={field.min}
              max={field.max}
              step={field.step}
              value={sampling.value[field.key]}
              onChange={(event) => {
                const before = sampling.value[field.key];
                const value = withinField(field, event.currentTarget.valueAsNumber, before);
                event.currentTarget.value = String(value);
                sampling.value = { ...sampling.value, [field.key]: value };
              }}
            />
            <small>{field.says}</small>
          </label>
        ))}
      </div>
    </details>
  );
}
