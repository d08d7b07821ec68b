import { useRef } from "preact/hooks";
import {
  ask,
  clear,
  error,
  exchanges,
  filled,
  isChat,
  problem,
  prompt,
  question,
  setThinking,
  state,
  stop,
  takesIds,
  thinking,
  waiting,
} from "../state/chat-run.ts";
import { RunError } from "./RunError.tsx";
import { Transcript } from "./Transcript.tsx";

/** What an answer waits for that has no word yet. */
const WAITING = {
  prompt: "Reading your prompt …",
  "first-prompt":
    "Still reading your prompt. It is the first for this model, so the GPU may have to be prepared for prompts of this length; that happens once.",
};

/** Why an answer ended for which there was no more room. */
const FILLED = {
  chat: "The conversation has become as long as the model can hold, so the answer ends here. Start over to ask more.",
  text: "Prompt and answer have become as long as the model can hold, so the text ends here.",
};

/** A prompt to continue or a conversation, its answer shaded by the step each token left at. */
export function ChatPanel() {
  const form = useRef<HTMLFormElement>(null);
  const box = useRef<HTMLTextAreaElement>(null);
  const running = state.value === "running";
  const full = filled.value || error.value?.code === "context-full";
  return (
    <section class="card ask chat" aria-labelledby="ask-title">
      <h2 id="ask-title">{isChat.value ? "Talk to it" : "Let it continue"}</h2>
      {takesIds.value && (
        <p class="note">The model has no tokenizer.json, so its prompt is token ids, as in “1, 2, 3”.</p>
      )}
      {(exchanges.value.length > 0 || question.value !== "") && <Transcript form={form} />}
      <Status />
      {error.value && <RunError error={error.value} />}
      <form
        ref={form}
        class="prompt"
        onSubmit={(event) => {
          event.preventDefault();
          if (running) stop();
          else void ask();
        }}
      >
        <textarea
          ref={box}
          class="prompt-box"
          rows={2}
          aria-label={isChat.value ? "Prompt: your message" : "Prompt to continue"}
          value={prompt.value}
          onInput={(event) => (prompt.value = event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
            event.preventDefault();
            void ask();
          }}
        />
        <button
          type="submit"
          class={running ? "secondary" : "primary"}
          disabled={!running && (prompt.value.trim() === "" || problem.value !== undefined)}
        >
          {running ? "Stop" : "Ask"}
        </button>
        {!running && isChat.value && question.value !== "" && (
          <button
            type="button"
            class={full ? "secondary" : "quiet"}
            onClick={() => {
              clear();
              // The button is gone now: the next thing to do is to type.
              box.current?.focus();
            }}
          >
            Start over
          </button>
        )}
      </form>
      {thinking.value !== undefined && (
        <label class="switch">
          <input
            type="checkbox"
            role="switch"
            checked={thinking.value}
            onChange={(event) => setThinking(event.currentTarget.checked)}
          />
          <span>Thinking</span>
          <small>it reasons in words before it answers, which takes longer</small>
        </label>
      )}
      {problem.value && <p class="note problem">{problem.value}</p>}
    </section>
  );
}

/** How things stand, in a sentence where there is something to say. It is always there, so that a change is read out. */
function Status() {
  const words = waiting.value
    ? WAITING[waiting.value]
    : filled.value
      ? FILLED[isChat.value ? "chat" : "text"]
      : undefined;
  return (
    <p class={words ? "note" : "visually-hidden"} role="status">
      {words}
    </p>
  );
}
