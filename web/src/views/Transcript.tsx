import type { RefObject } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { atEnd, pushedOut } from "../layout/following.ts";
import type { Exchange } from "../model/conversation.ts";
import { plural } from "../model/format.ts";
import {
  answerText,
  answerTokens,
  exchanges,
  filled,
  finish,
  isChat,
  onlyThought,
  question,
  state,
  stopped,
} from "../state/chat-run.ts";
import { exits, shownSteps } from "../state/view.ts";
import { opensTokens, ShadeLegend, shadeStyle } from "./SaidToken.tsx";

/**
 * What was said, in a box that scrolls. It stays at the newest line unless the reader has scrolled up, and what is said
 * does not push the form with its button out of sight.
 */
export function Transcript({ form }: { form: RefObject<HTMLFormElement | null> }) {
  const box = useRef<HTMLDivElement>(null);
  const follows = useRef(true);

  function toEnd() {
    if (follows.current && box.current) box.current.scrollTop = box.current.scrollHeight;
  }
  // A new question is what its reader wants to see.
  useLayoutEffect(() => {
    follows.current = true;
    toEnd();
    if (state.value === "running") form.current?.scrollIntoView({ block: "nearest" });
  }, [question.value, exchanges.value.length]);

  function grown() {
    toEnd();
    const bottom = form.current?.getBoundingClientRect().bottom ?? 0;
    if (pushedOut(bottom, window.innerHeight)) form.current?.scrollIntoView({ block: "nearest" });
  }

  return (
    <>
      <div
        class="transcript"
        ref={box}
        tabIndex={0}
        role="group"
        aria-label={isChat.value ? "Conversation" : "Prompt and answer"}
        onScroll={(event) => (follows.current = atEnd(event.currentTarget))}
      >
        {exchanges.value.map((exchange, i) => (
          <Past key={i} exchange={exchange} />
        ))}
        {question.value !== "" && (
          <>
            <p class="message user">
              <span class="who">{isChat.value ? "You" : "Prompt"}</span>
              {question.value}
            </p>
            <Answer grown={grown} />
          </>
        )}
      </div>
      {question.value !== "" && <Ending />}
    </>
  );
}

function Past({ exchange: { question, thought, said } }: { exchange: Exchange }) {
  return (
    <>
      <p class="message user">
        <span class="who">You</span>
        {question}
      </p>
      {thought !== "" && (
        <details class="thought">
          <summary>What it thought</summary>
          <p class="message">{thought}</p>
        </details>
      )}
      {said.trim() === "" ? (
        <p class="note">It had not come to an answer, so it goes on without this question.</p>
      ) : (
        <p class="message assistant">
          <span class="who">It</span>
          {said}
        </p>
      )}
    </>
  );
}

/** The answer as it streams. Pointing at a token opens it in the exit view. */
function Answer({ grown }: { grown: () => void }) {
  const steps = shownSteps.value;
  useLayoutEffect(grown, [answerTokens.value.length, state.value]);
  return (
    <p
      class="message assistant"
      data-testid="answer"
      data-state={state.value}
      data-exit-steps={JSON.stringify(answerTokens.value.map((t) => exits.value[t.column]))}
      {...opensTokens}
    >
      {answerTokens.value.map((token) => (
        <span
          key={token.column}
          class="said-token"
          data-token={token.column}
          style={shadeStyle(exits.value[token.column] ?? steps, steps)}
        >
          {token.text}
        </span>
      ))}
    </p>
  );
}

/** How the answer ended, and what its shades mean. */
function Ending() {
  return (
    <div>
      {/* Read once, when it is whole: a live region that grows token by token cannot be listened to. */}
      <p class="visually-hidden" aria-live="polite">
        {state.value === "done" ? answerText.value : ""}
      </p>
      {stopped.value && <p class="note">Stopped after {plural(answerTokens.value.length, "token")}.</p>}
      {finish.value && (
        <p class="note">
          {plural(finish.value.newTokens, "token")} in {finish.value.seconds.toFixed(2)} s,{" "}
          {finish.value.passes} passes;{" "}
          {finish.value.reason !== "length"
            ? "the model ended it"
            : onlyThought.value && !filled.value
              ? "cut at the limit while it was still thinking: allow it more new tokens"
              : "cut at the limit"}
          .
        </p>
      )}
      <ShadeLegend />
    </div>
  );
}
