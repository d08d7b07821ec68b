import { sameDepth } from "../../model/depth/settings.ts";
import * as chat from "../../state/chat-run.ts";
import { last, live } from "../../state/depth/meter.ts";
import { depth } from "../../state/depth/settings.ts";
import { whoIsWho } from "../../state/model.ts";
import * as who from "../../state/who/run.ts";

/** Asks the last question again, once the settings are others than those it was answered with. */
export function AgainButton() {
  const answer = last.value;
  const stale = answer !== undefined && live.value === undefined && !sameDepth(answer.depth, depth.value);
  return (
    <p class="actions depth-again">
      <button
        type="button"
        class={stale ? "primary" : "secondary"}
        disabled={!answer || live.value !== undefined}
        onClick={() => void (whoIsWho.value ? who.askAgain() : chat.answerAgain())}
      >
        Answer again
      </button>
      {stale && <span class="note">The answer shown was made with other settings.</span>}
    </p>
  );
}
