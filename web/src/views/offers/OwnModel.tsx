import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { openError, opening } from "../../state/model.ts";
import { offerOf } from "../../state/offers/offers.ts";
import { dropError, looking, openAddress, openFolder } from "../../state/offers/own.ts";
import { ErrorNote } from "../ErrorNote.tsx";
import { OpeningError } from "./OpeningError.tsx";
import { OpeningProgress } from "./OpeningProgress.tsx";

/** Models by their address or their folder: small ones open at once, large ones become a card of their own first. */
export function OwnModel() {
  const url = useSignal("");
  const folder = useRef<HTMLInputElement>(null);
  // Not an attribute that the JSX types know.
  useEffect(() => folder.current?.setAttribute("webkitdirectory", ""), []);
  const next = opening.value;
  const error = openError.value;
  return (
    <div class="card own-model">
      <form
        class="prompt"
        onSubmit={(event) => {
          event.preventDefault();
          const address = url.value.trim();
          if (address !== "") void openAddress(address);
        }}
      >
        <input
          class="prompt-box"
          type="text"
          inputMode="url"
          aria-label="Address of a model’s folder"
          placeholder="hf:name/model or https://…/a-model/"
          autocomplete="off"
          autocapitalize="off"
          spellcheck={false}
          value={url.value}
          onInput={(event) => (url.value = event.currentTarget.value)}
        />
        <button type="submit" class="secondary" disabled={looking.value}>
          Open
        </button>
      </form>
      <p class="actions">
        <label class="secondary file">
          Choose a folder
          <input
            ref={folder}
            type="file"
            multiple
            aria-label="Choose a model’s folder"
            onChange={(event) => {
              const files = [...(event.currentTarget.files ?? [])];
              event.currentTarget.value = "";
              if (files.length > 0) void openFolder(files);
            }}
          />
        </label>
        <span class="note">or drop one anywhere on the page</span>
      </p>
      <p class="note">
        A folder as Hugging Face lays out Ouro: config.json, model.safetensors and tokenizer.json. A small
        model opens at once; of a large one you see first what it takes.
      </p>
      {next && offerOf(next.source) === undefined && (
        <div>
          <p class="note">Opening {next.source.name}</p>
          <OpeningProgress opening={next} />
        </div>
      )}
      {dropError.value && <ErrorNote error={dropError.value} />}
      {error && offerOf(error.source) === undefined && <OpeningError error={error} />}
    </div>
  );
}
