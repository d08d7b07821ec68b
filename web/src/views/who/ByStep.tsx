import { stepHue } from "../../layout/colours.ts";
import { best, isRight } from "../../model/exit.ts";
import { percent, tokenLabel } from "../../model/format.ts";
import { theme } from "../../state/theme.ts";
import { columns, exits, shownSteps } from "../../state/view.ts";

interface Props {
  /** The name's place in the sentence. */
  place: number;
  /** From the person that is asked about to the answer. */
  people: readonly string[];
}

/** The name that every step would have given, and how far along the way to the answer it is. */
export function ByStep({ place, people }: Props) {
  const column = columns.value[place];
  const exit = exits.value[place] ?? 0;
  if (!column) return null;
  return (
    <ol class="by-step" aria-label="The answer after each step">
      {Array.from({ length: shownSteps.value }, (_, i) => {
        const step = i + 1;
        const top = best(column.steps[i]);
        const right = isRight(column, step);
        const passed = people.indexOf(top?.text.trim() ?? "");
        return (
          <li
            key={step}
            class={step === exit ? "left-here" : step > exit ? "after" : undefined}
            style={{ "--hue": stepHue(theme.value, step, shownSteps.value) }}
          >
            <span class="by-step-name">step {step}</span>
            {top ? (
              <>
                <span class="by-step-word">{tokenLabel(top.text)}</span>
                <span class="by-step-name">{percent(top.probability)} sure</span>
              </>
            ) : (
              <span class="by-step-name">not computed</span>
            )}
            {right !== undefined && (
              <span class={right ? "verdict right" : "verdict wrong"}>{right ? "right" : "wrong"}</span>
            )}
            {!right && passed > 0 && passed < people.length - 1 && (
              <span class="by-step-name">found on the way</span>
            )}
            {step === exit && <span class="by-step-left">left here</span>}
          </li>
        );
      })}
    </ol>
  );
}
