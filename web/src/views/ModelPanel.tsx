import type { ModelInfo } from "looplm";
import { bytes, count } from "../model/format.ts";
import { FIRST, isShipped, open } from "../state/model.ts";
import { openInstead } from "../state/replacing.ts";

/** The model in use, and the way to another. */
export function ModelPanel() {
  return (
    <section class="card model" aria-labelledby="model-title">
      <div>
        <h2 id="model-title">Model</h2>
        <Facts />
      </div>
      <Others />
    </section>
  );
}

/** What the engine makes use of, in words. */
const PROGRAMS: Record<ModelInfo["adapter"]["tier"], string> = {
  baseline: "with programs that every GPU can run",
  subgroups: "with faster programs, in which the GPU’s threads add up together (subgroups)",
};

function Facts() {
  const current = open.value;
  if (!current) return <p class="note">None is open yet.</p>;
  const { architecture: a, memory, adapter, format, warnings } = current.info;
  return (
    <>
      <p class="model-name" data-testid="model-name">
        {current.source.name}
      </p>
      <p class="small-print">
        {count(a.parameters)} parameters: {a.layers} {a.layers === 1 ? "layer" : "layers"} of width{" "}
        {a.hiddenSize}, looped {a.steps} times; {bytes(memory.weights)} of weights
        {format !== "stored" && ` in ${format}`}, {bytes(memory.kvPer1000Tokens.full)} of keys and values for
        1,000 tokens. It can hold {count(current.info.contextLength)} tokens.
      </p>
      <p class="small-print" data-testid="adapter">
        It runs on {[adapter.vendor, adapter.name].filter(Boolean).join(" ") || "an unnamed GPU"}
        {adapter.backend && ` (${adapter.backend})`}, {PROGRAMS[adapter.tier]}. Nothing leaves this tab.
      </p>
      {warnings.map((warning, i) => (
        <p key={i} class="small-print" data-testid="warning">
          Worth knowing: {warning}
        </p>
      ))}
    </>
  );
}

function Others() {
  return (
    <div class="picker">
      <h3>Other models</h3>
      <p class="note">Ouro-1.4B and 2.6B from Hugging Face, any address, or a folder of this machine.</p>
      <p class="actions">
        <a class="secondary" href="#models">
          Choose another model
        </a>
        {open.value && !isShipped(open.value.source) && (
          <button type="button" class="secondary" onClick={() => void openInstead(FIRST)}>
            Back to {FIRST.name}
          </button>
        )}
        <span class="note">or drop a folder anywhere on the page</span>
      </p>
    </div>
  );
}
