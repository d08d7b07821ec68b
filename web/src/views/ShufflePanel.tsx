import { wordsOf } from "../model/shuffle.ts";
import { shuffleGame, trainedSteps } from "../state/model.ts";
import {
  addMove,
  ask,
  error,
  problem,
  prompt,
  removeMove,
  setLength,
  shuffle,
  state,
  stop,
} from "../state/shuffle-run.ts";
import { steps } from "../state/view.ts";
import { CupStage } from "./CupStage.tsx";
import { RunError } from "./RunError.tsx";
import { ShuffleAnswer } from "./ShuffleAnswer.tsx";
import { Slider } from "./Slider.tsx";

function askOnEnter(event: KeyboardEvent) {
  if (event.key !== "Enter" || event.isComposing) return;
  event.preventDefault();
  void ask();
}

/** The shell game: moves in, cups drawn, the model's answer. */
export function ShufflePanel() {
  const task = shuffleGame.value;
  if (!task) return null;
  const words = wordsOf(prompt.value);
  const beyond = words.length > task.maxMoves;
  return (
    <section class="card ask" aria-labelledby="ask-title">
      <div class="ask-words">
        <h2 id="ask-title">Shuffle the cups. Where is the ball?</h2>
        <form
          class="prompt"
          onSubmit={(event) => {
            event.preventDefault();
            void ask();
          }}
        >
          <textarea
            class="prompt-box"
            rows={1}
            aria-label="Prompt: the moves of the shuffle"
            aria-describedby="prompt-note"
            aria-invalid={problem.value !== undefined}
            autocomplete="off"
            autocapitalize="none"
            spellcheck={false}
            value={prompt.value}
            onInput={(event) => (prompt.value = event.currentTarget.value)}
            onKeyDown={askOnEnter}
          />
          <button type="submit" class="primary" disabled={problem.value !== undefined}>
            Ask
          </button>
          {state.value === "running" && (
            <button type="button" class="secondary" onClick={stop}>
              Stop
            </button>
          )}
        </form>
        <p id="prompt-note" class={problem.value ? "note problem" : "note"}>
          {problem.value ??
            (beyond
              ? `${words.length} moves: trained on up to ${task.maxMoves}, so this is extrapolation.`
              : "Add a move, or write your own. The ball starts under the middle cup.")}
        </p>
        <div class="chips" role="group" aria-label="Add a move">
          {[...task.moves.keys()].map((move) => (
            <button key={move} type="button" class="chip" onClick={() => addMove(move)}>
              {move}
            </button>
          ))}
          <button
            type="button"
            class="chip undo"
            aria-label="Take the last move away"
            title="Take the last move away"
            disabled={words.length < 2}
            onClick={removeMove}
          >
            ⌫
          </button>
        </div>
        <div class="length">
          <label for="length">Length</label>
          <Slider
            id="length"
            min={1}
            max={task.maxMoves}
            value={Math.min(Math.max(words.length, 1), task.maxMoves)}
            onValue={setLength}
          />
          <output for="length">{words.length === 1 ? "1 move" : `${words.length} moves`}</output>
          <button type="button" class="secondary" onClick={shuffle}>
            Shuffle
          </button>
        </div>
        {steps.value > trainedSteps.value && (
          <p class="note">
            {steps.value} steps: trained with {trainedSteps.value}, so this is extrapolation.
          </p>
        )}
      </div>
      <CupStage />
      <div class="ask-answer">
        <ShuffleAnswer />
        {error.value && <RunError error={error.value} />}
      </div>
    </section>
  );
}
