import { useSignal } from "@preact/signals";
import { type Field, FIELDS, fieldText } from "../../model/train/fields.ts";
import { plural } from "../../model/format.ts";
import { working } from "../../state/train/runs.ts";
import { train } from "../../state/train/control.ts";
import { asPreset, changes, config, hash, preset, problems, setField } from "../../state/train/setup.ts";

/** The chosen task's example, the run's few settings, and the button that begins it. */
export function SetupPanel() {
  const chosen = preset.value;
  if (!chosen) return null;
  const changed = Object.keys(changes.value).length;
  return (
    <section class="card setup" aria-labelledby="setup-title">
      <h2 id="setup-title">The run</h2>
      <dl class="example">
        <dt>for example</dt>
        <dd>{chosen.example.input}</dd>
        <dt>answer</dt>
        <dd>{chosen.example.answer}</dd>
      </dl>
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          void train();
        }}
      >
        <div class="train-fields">
          {FIELDS.map((field) => (
            <FieldRow key={field.path} field={field} />
          ))}
        </div>
        <p class="actions">
          <button
            type="submit"
            class="primary"
            data-testid="train"
            disabled={config.value === undefined || working.value !== undefined}
          >
            Train
          </button>
          <ShareButton />
          {changed > 0 && (
            <button type="button" class="quiet" onClick={asPreset}>
              Undo {plural(changed, "change")}
            </button>
          )}
        </p>
        {working.value && <p class="note">One run at a time: pause or stop the present one first.</p>}
      </form>
    </section>
  );
}

function FieldRow({ field: { path, label, says } }: { field: Field }) {
  const chosen = preset.value;
  if (!chosen) return null;
  const id = `field-${path.replaceAll(".", "-")}`;
  const problem = problems.value[path];
  const changed = changes.value[path] !== undefined;
  return (
    <div class={changed ? "train-field changed" : "train-field"}>
      <label for={id}>{label}</label>
      <input
        id={id}
        type="text"
        inputMode="decimal"
        autocomplete="off"
        spellcheck={false}
        value={fieldText(chosen.config, changes.value, path)}
        aria-invalid={problem !== undefined}
        aria-describedby={`${id}-says`}
        onInput={(event) => setField(path, event.currentTarget.value)}
      />
      <small id={`${id}-says`} class={problem ? "problem" : undefined}>
        {problem ?? says}
      </small>
    </div>
  );
}

/** Copies a link that carries only what differs from the preset. */
function ShareButton() {
  const said = useSignal("");
  const copy = async () => {
    const link = new URL(hash.value, window.location.href).href;
    try {
      await navigator.clipboard.writeText(link);
      said.value = "Link copied.";
    } catch {
      // Without leave for the clipboard the address bar has the same link.
      window.history.replaceState(window.history.state, "", hash.value);
      said.value = "The link is in the address bar.";
    }
  };
  return (
    <>
      <button
        type="button"
        class="secondary"
        disabled={config.value === undefined}
        onClick={() => void copy()}
      >
        Share
      </button>
      <span class="note" role="status">
        {said.value}
      </span>
    </>
  );
}
