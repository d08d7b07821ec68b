import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { bytes, count } from "../model/format.ts";
import { nameOfFiles } from "../state/dropped-files.ts";
import { FIRST, isShipped, open, openModel } from "../state/model.ts";
import { OpeningNote } from "./OpeningNote.tsx";

/** The model in use, and how to open another: the shipped one, an address, or a folder. */
export function ModelPanel() {
  return (
    <section class="card model" aria-labelledby="model-title">
      <div>
        <h2 id="model-title">Model</h2>
        <Facts />
      </div>
      <Picker />
    </section>
  );
}

function Facts() {
  const current = open.value;
  if (!current) return <p class="note">None is open yet.</p>;
  const { architecture: a, memory, adapter, warnings } = current.info;
  return (
    <>
      <p class="model-name" data-testid="model-name">
        {current.source.name}
      </p>
      <p class="small-print">
        {count(a.parameters)} parameters: {a.layers} {a.layers === 1 ? "layer" : "layers"} of width{" "}
        {a.hiddenSize}, looped {a.steps} times; {bytes(memory.weights)} of weights,{" "}
        {bytes(memory.kvPer1000Tokens.full)} of keys and values for 1,000 tokens.
      </p>
      <p class="small-print" data-testid="adapter">
        Tier {adapter.tier} on {[adapter.vendor, adapter.name].filter(Boolean).join(" ") || "an unnamed GPU"}
        {adapter.backend && ` (${adapter.backend})`}. Nothing leaves this tab.
      </p>
      {warnings.map((warning, i) => (
        <p key={i} class="small-print" data-testid="warning">
          Worth knowing: {warning}
        </p>
      ))}
    </>
  );
}

function Picker() {
  const url = useSignal("");
  const folder = useRef<HTMLInputElement>(null);
  // Not an attribute that the JSX types know.
  useEffect(() => folder.current?.setAttribute("webkitdirectory", ""), []);
  return (
    <div class="picker">
      <h3>Open another</h3>
      <form
        class="prompt"
        onSubmit={(event) => {
          event.preventDefault();
          const address = url.value.trim();
          if (address !== "") void openModel({ name: nameOfAddress(address), from: address });
        }}
      >
        <input
          class="prompt-box"
          type="text"
          inputMode="url"
          aria-label="Address of a model’s folder"
          placeholder="https://…/a-model/"
          autocomplete="off"
          spellcheck={false}
          value={url.value}
          onInput={(event) => (url.value = event.currentTarget.value)}
        />
        <button type="submit" class="secondary">
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
              if (files.length > 0) void openModel({ name: nameOfFiles(files), from: files });
            }}
          />
        </label>
        {open.value && !isShipped(open.value.source) && (
          <button type="button" class="secondary" onClick={() => void openModel(FIRST)}>
            Back to {FIRST.name}
          </button>
        )}
        <span class="note">or drop one anywhere on the page</span>
      </p>
      <OpeningNote shipped={false} />
    </div>
  );
}

function nameOfAddress(address: string): string {
  return (
    address
      .replace(/[?#].*$/, "")
      .split("/")
      .filter(Boolean)
      .at(-1) ?? address
  );
}
