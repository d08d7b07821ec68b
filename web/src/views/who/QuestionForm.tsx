import { plural } from "../../model/format.ts";
import type { WhoTask } from "../../model/who/task.ts";
import { hops, question, setHops, setPerson, setRelation } from "../../state/who/question.ts";
import { ask, state, stop, tell } from "../../state/who/run.ts";

/** A question put together from selects, which stand in the sentence as it will read. */
export function QuestionForm({ task }: { task: WhoTask }) {
  const { person, path } = question.value;
  const reading = [...path].reverse();
  return (
    <form
      class="own-question"
      onSubmit={(event) => {
        event.preventDefault();
        void ask(question.value);
      }}
    >
      <div class="own-head">
        <h3>Put together your own</h3>
        {task.hops > 1 && <Hops most={task.hops} />}
      </div>
      <p class="own-sentence">
        {reading.map((relation, place) => (
          <span key={place} class="own-part">
            the
            <Select
              label={reading.length === 1 ? "Relation" : `Relation ${place + 1} of the sentence`}
              words={task.relations}
              value={relation}
              onValue={(word) => setRelation(place, word)}
            />
            of
          </span>
        ))}
        <span class="own-part">
          <Select label="Person" words={task.names} value={person} onValue={setPerson} />
          is …
        </span>
      </p>
      <div class="actions">
        <button type="submit" class="primary">
          Ask
        </button>
        {task.biography !== undefined && (
          <button type="button" class="secondary" onClick={() => void tell(person)}>
            Let it tell about {person}
          </button>
        )}
        {state.value === "running" && (
          <button type="button" class="secondary" onClick={stop}>
            Stop
          </button>
        )}
      </div>
    </form>
  );
}

function Hops({ most }: { most: number }) {
  return (
    <fieldset class="hops">
      <legend class="visually-hidden">How many hops</legend>
      {Array.from({ length: most }, (_, i) => i + 1).map((n) => (
        <label key={n}>
          <input type="radio" name="hops" checked={hops.value === n} onChange={() => setHops(n)} />
          <span>{plural(n, "hop")}</span>
        </label>
      ))}
    </fieldset>
  );
}

interface SelectProps {
  label: string;
  words: readonly string[];
  value: string;
  onValue: (word: string) => void;
}

function Select({ label, words, value, onValue }: SelectProps) {
  return (
    <select aria-label={label} value={value} onChange={(event) => onValue(event.currentTarget.value)}>
      {words.map((word) => (
        <option key={word} value={word} selected={word === value}>
          {word}
        </option>
      ))}
    </select>
  );
}
