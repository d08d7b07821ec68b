import { useEffect, useRef } from "preact/hooks";
import { answerWaiting, type Loss, waiting } from "../state/replacing.ts";

/** Asks whether the model in use may go for another one, where something is lost with it. */
export function ReplaceDialog() {
  const asked = waiting.value;
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (!asked) dialog.current?.close();
    else if (dialog.current?.open === false) dialog.current.showModal();
  }, [asked]);
  return (
    <dialog
      ref={dialog}
      class="card replace"
      aria-labelledby="replace-title"
      aria-describedby="replace-words"
      // Escape closes it: the model in use stays.
      onClose={() => void answerWaiting(false)}
    >
      {asked && (
        <>
          <h2 id="replace-title">Close {asked.name}?</h2>
          <p id="replace-words">{lossWords(asked, asked.source.name)}</p>
          <p class="actions">
            <button type="button" class="primary" onClick={() => void answerWaiting(true)}>
              {asked.anew ? `Load ${asked.name} anew` : `Open ${asked.source.name}`}
            </button>
            <button type="button" class="secondary" autofocus onClick={() => void answerWaiting(false)}>
              Keep {asked.name}
            </button>
          </p>
        </>
      )}
    </dialog>
  );
}

/** What becomes of the model in use, in words. */
export function lossWords({ name, conversation, atOnce, anew }: Loss, next: string): string {
  const what = anew ? `To hold ${name} in another way, it is loaded anew` : `Opening ${next} closes ${name}`;
  return [
    conversation ? `${what}, and your conversation with it is lost.` : `${what}.`,
    atOnce
      ? "It goes at once, to make room on the GPU: if you cancel the loading, no model is open."
      : "It stays in use until the other is ready.",
  ].join(" ");
}
