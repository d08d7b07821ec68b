import { type Sampling, sampling } from "../state/chat-run.ts";

interface Field {
  key: keyof Sampling;
  name: string;
  says: string;
  min: number;
  max: number;
  step: number;
}

const FIELDS: readonly Field[] = [
  { key: "maxNewTokens", name: "max new tokens", says: "stop after so many", min: 1, max: 4096, step: 1 },
  {
    key: "temperature",
    name: "temperature",
    says: "0 always takes the best token",
    min: 0,
    max: 3,
    step: 0.05,
  },
  { key: "topK", name: "top-k", says: "sample among so many best; 0 is all", min: 0, max: 1000, step: 1 },
  {
    key: "topP",
    name: "top-p",
    says: "sample among the best with this much probability together",
    min: 0.01,
    max: 1,
    step: 0.01,
  },
  {
    key: "minP",
    name: "min-p",
    says: "leave out what is less likely than this share of the best",
    min: 0,
    max: 1,
    step: 0.01,
  },
  { key: "seed", name: "seed", says: "same seed, same GPU, same text", min: 0, max: 2 ** 32 - 1, step: 1 },
];

/** How the next token is drawn. Takes effect with the next question. */
export function SamplingPanel() {
  return (
    <details class="card sampling" open>
      <summary>
        <h2>Sampling</h2>
      </summary>
      <div class="fields">
        {FIELDS.map(({ key, name, says, min, max, step }) => (
          <label key={key}>
            <span>{name}</span>
            <input
              type="number"
              min={min}
              max={max}
              step={step}
              value={sampling.value[key]}
              onChange={(event) => {
                const value = event.currentTarget.valueAsNumber;
                const kept = Number.isFinite(value)
                  ? Math.min(Math.max(value, min), max)
                  : sampling.value[key];
                event.currentTarget.value = String(kept);
                sampling.value = { ...sampling.value, [key]: kept };
              }}
            />
            <small>{says}</small>
          </label>
        ))}
      </div>
    </details>
  );
}
