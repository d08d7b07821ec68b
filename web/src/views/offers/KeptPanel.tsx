import type { CachedModel } from "looplm";
import { bytes, percent, plural } from "../../model/format.ts";
import { dayWords, isFolder, keptName } from "../../model/offers/kept-words.ts";
import { kept, keptError, remove, room } from "../../state/offers/kept.ts";
import { openKept } from "../../state/offers/own.ts";
import { ErrorNote } from "../ErrorNote.tsx";
import { ConfirmButton } from "../ConfirmButton.tsx";

/** The models that this browser keeps, what they take of its room, and how to be rid of them. */
export function KeptPanel() {
  const models = kept.value;
  const sum = models.reduce((total, { bytes: each }) => total + each, 0);
  return (
    <section class="card kept" aria-labelledby="kept-title">
      <h2 id="kept-title">Kept in this browser</h2>
      {models.length === 0 && <p class="note">Nothing yet. What you load from an address stays here.</p>}
      <ul class="kept-list">
        {models.map((model) => (
          <Row key={`${model.format} ${model.source}`} model={model} />
        ))}
      </ul>
      {room.value && <Room quota={room.value.quota} usage={room.value.usage} models={sum} />}
      {keptError.value && <ErrorNote error={keptError.value} />}
      {models.length > 1 && (
        <p class="actions">
          <ConfirmButton
            words="Delete all"
            again={`Really delete ${plural(models.length, "model")}, ${bytes(sum)}`}
            onConfirm={() => void remove()}
          />
        </p>
      )}
    </section>
  );
}

function Row({ model }: { model: CachedModel }) {
  const name = keptName(model.source);
  const of = `${name}, ${model.format}`;
  return (
    <li data-testid="kept-model">
      <span class="kept-name" title={model.source}>
        {name} <span class="badge-format">{model.format}</span>
      </span>
      <span class="note">
        {bytes(model.bytes)}
        {!model.complete && `, ${percent(model.progress)} of it`}; used {dayWords(model.lastUsed, new Date())}
      </span>
      <span class="kept-buttons">
        {isFolder(model.source) ? (
          <span class="note">to load it, choose its folder again</span>
        ) : (
          <button
            type="button"
            class="quiet"
            aria-label={`${model.complete ? "Load" : "Go on with"} ${of}`}
            onClick={() => void openKept(model)}
          >
            {model.complete ? "Load" : "Go on"}
          </button>
        )}
        <ConfirmButton words="Delete" again="Really delete" label={of} onConfirm={() => void remove(model)} />
      </span>
    </li>
  );
}

function Room({ quota, usage, models }: { quota: number; usage: number; models: number }) {
  return (
    <div class="room">
      <span class="memory-bar" aria-hidden="true">
        <i class="weights" style={{ width: `${(models / quota) * 100}%` }} />
        <i class="workspace" style={{ width: `${(Math.max(usage - models, 0) / quota) * 100}%` }} />
      </span>
      <p class="note">
        {bytes(usage)} of the {bytes(quota)} that this browser gives the page are in use.
      </p>
    </div>
  );
}
