import { useSignal } from "@preact/signals";
import { type Field, FIELDS, fieldText, ownText, TEXT } from "../../model/train/fields.ts";
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
        <OwnText />
        <div class="train-fields">
          {FIELDS.map((field) => (
            <FieldRow key={field.path} field={field} />
          ))}
        </div>
      </form>
    </section>
  );
}

/** For the tasks that learn a text of one's own: to paste it, or to take it from a file. */
function OwnText() {
  const text = preset.value && ownText(preset.value.config, changes.value);
  if (text === undefined) return null;
  const problem = problems.value[TEXT];
  return (
    <div class={changes.value[TEXT] === undefined ? "train-field own-text" : "train-field own-text changed"}>
      <label for="own-text">the text</label>
      <textarea
        id="own-text"
        rows={5}
        spellcheck={false}
        value={text}
        aria-invalid={problem !== undefined}
        aria-describedby="own-text-says"
        onInput={(event) => setField(TEXT, event.currentTarget.value)}
      />
      <small id="own-text-says" class={problem ? "problem" : undefined}>
        {problem ?? "It stays in this tab, and is not part of a shared link."}
      </small>
      <label class="secondary file">
        Take it from a file
        <input
          type="file"
          accept="text/*,.md,.txt"
          aria-label="Take the text from a file"
          onChange={(event) => {
            const file = event.currentTarget.files?.[0];
            event.currentTarget.value = "";
            void file?.text().then((words) => setField(TEXT, words));
          }}
        />
      </label>
    </div>
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
