import { bytes } from "../../model/format.ts";
import { contexts, FORMATS, type Held, heldWords } from "../../model/offers/held.ts";
import { kvBytesPerStep, longestContext, weightBytes } from "../../model/offers/needs.ts";
import type { Shape } from "../../model/offers/shape.ts";
import { device } from "../../state/offers/device.ts";
import { type Offer, setHeld } from "../../state/offers/offers.ts";
import { Slider } from "../Slider.tsx";

interface Props {
  offer: Offer;
  shape: Shape;
  held: Held;
  /** What is recommended. */
  usual: Held;
  /** Of the card. */
  id: string;
}

/** How to hold the model: closed, a line that says how; open, every choice with what it takes. */
export function HeldFields({ offer, shape, held, usual, id }: Props) {
  return (
    <details class="held">
      <summary>{heldWords(held)}</summary>
      <fieldset>
        <legend>Weights</legend>
        <p class="note">The numbers that the model has learned. Fewer bits for each take less memory.</p>
        {FORMATS.map(({ format, name, says }) => (
          <label key={format} class="held-choice">
            <input
              type="radio"
              name={`${id}-format`}
              checked={held.format === format}
              onChange={() => setHeld(offer, { ...held, format })}
            />
            <span>
              {name}
              {format === usual.format && <small class="usual"> recommended</small>}
            </span>
            <span class="mono">{bytes(weightBytes(shape, format))}</span>
            <small>{says}</small>
          </label>
        ))}
      </fieldset>
      {usual.context !== undefined && <ContextField offer={offer} shape={shape} held={held} id={id} />}
      <fieldset>
        <legend>Keys and values</legend>
        {(["q8", "f16", "f32"] as const).map((kv) => (
          <label key={kv} class="held-choice">
            <input
              type="radio"
              name={`${id}-kv`}
              checked={held.kv === kv}
              onChange={() => setHeld(offer, { ...held, kv })}
            />
            <span>
              {{ q8: "8-bit, coarser", f16: "16 bits", f32: "32 bits" }[kv]}
              {kv === usual.kv && <small class="usual"> recommended</small>}
            </span>
            <span class="mono">{bytes(kvBytesPerStep(shape, kv) * shape.steps)} a token</span>
          </label>
        ))}
        <p class="note">
          A token keeps its keys and values of each of the {shape.steps} steps,{" "}
          {bytes(kvBytesPerStep(shape, held.kv))} a step. Once the model is open, answers can be told to keep
          fewer steps.
        </p>
      </fieldset>
    </details>
  );
}

function ContextField({ offer, shape, held, id }: Omit<Props, "usual">) {
  const longest = device.value ? longestContext(shape, held.kv, device.value.maxBinding) : shape.positions;
  const choices = contexts(longest);
  const chosen = held.context ?? longest;
  // What was chosen on another machine may lie between two choices.
  const at = choices.findLastIndex((tokens) => tokens <= chosen);
  const takes = kvBytesPerStep(shape, held.kv) * shape.steps * chosen;
  const words = `${chosen.toLocaleString("en")} tokens`;
  return (
    <fieldset>
      <legend id={`${id}-context`}>Context</legend>
      <p class="context-words">
        <span>{words}</span>
        <span class="mono">{bytes(takes)}</span>
      </p>
      <Slider
        min={0}
        max={choices.length - 1}
        value={Math.max(at, 0)}
        label="Context length"
        valueText={`${words}, ${bytes(takes)}`}
        onValue={(i) => setHeld(offer, { ...held, context: choices[i] ?? chosen })}
      />
      <p class="note">
        The longest conversation, question and answer together. The memory is taken as it is needed.
        {longest < shape.positions &&
          ` The model could go on to ${shape.positions.toLocaleString("en")}, but this GPU reads no more than ${bytes(device.value!.maxBinding)} at once.`}
      </p>
    </fieldset>
  );
}
