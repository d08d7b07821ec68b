import type { StepTrace } from "looplm";
import { stepHue } from "../layout/colours.ts";
import { isRight } from "../model/exit.ts";
import { percent, tokenLabel } from "../model/format.ts";
import { theme } from "../state/theme.ts";
import { columns, exits, inspected, shownSteps } from "../state/view.ts";
import { MiniCups } from "./Cups.tsx";

/** What one step thought of one token: its best tokens and the gate's numbers. */
export function CellDetail() {
  const { column: index, step } = inspected.value;
  const column = columns.value[index];
  const trace = column?.steps[step - 1];
  if (!column) return null;
  const exit = exits.value[index] ?? step;
  const right = isRight(column, step);
  const hue = stepHue(theme.value, step, shownSteps.value);
  return (
    <section class="card detail" aria-labelledby="detail-title" style={{ "--hue": hue }}>
      <h2 id="detail-title">
        {column.origin === "label" ? `Move ${index + 1}` : `Token ${column.position + 1}`}{" "}
        <span class="mono">{column.label}</span> at step {step}
      </h2>
      <p class="note">
        {column.origin === "given"
          ? "It was given: the model did not have to guess it."
          : step === exit
            ? "It left here."
            : step < exit
              ? "It went on thinking."
              : `It had left at step ${exit}.${trace ? "" : " This step was not computed."}`}
        {right !== undefined && (
          <span class={right ? "verdict right" : "verdict wrong"}>{right ? "right" : "wrong"}</span>
        )}
      </p>
      {trace && <Thoughts trace={trace} cumulated={column.cumulated[step - 1]} />}
    </section>
  );
}

function Thoughts({ trace, cumulated }: { trace: StepTrace; cumulated: number | undefined }) {
  return (
    <>
      <ul class="bars" aria-label="Best tokens">
        {trace.top?.map((candidate) => (
          <li key={candidate.id}>
            <MiniCups text={tokenLabel(candidate.text)} />
            <span class="visually-hidden">{candidate.text}</span>
            <span class="bar" aria-hidden="true">
              <i style={{ width: `${candidate.probability * 100}%` }} />
            </span>
            <span class="mono">{percent(candidate.probability)}</span>
          </li>
        ))}
      </ul>
      <dl>
        <Number
          name="gate λ"
          says="how likely it is to leave at this step, if it has not left before"
          value={trace.lambda}
        />
        <Number
          name="leaves here p"
          says="how likely it is to leave at this step and no other"
          value={trace.probability}
        />
        <Number
          name="left by now"
          says="how likely it is to have left by this step; it leaves where this reaches q"
          value={cumulated}
        />
        <Number
          name="entropy"
          says="how open the choice of the token still is: 0 is settled, 0.7 nats is as between two"
          value={trace.entropy}
          unit="nats"
        />
        <Number
          name="state moved"
          says="how much this step changed what the model has in mind, as a share of it"
          value={trace.change}
        />
      </dl>
    </>
  );
}

interface NumberProps {
  name: string;
  says: string;
  value: number | undefined;
  unit?: string;
}

function Number({ name, says, value, unit }: NumberProps) {
  if (value === undefined || !globalThis.Number.isFinite(value)) return null;
  return (
    <>
      <dt>{name}</dt>
      <dd>
        {value.toFixed(3)}
        {unit && ` ${unit}`}
      </dd>
      <dd class="says">{says}</dd>
    </>
  );
}
