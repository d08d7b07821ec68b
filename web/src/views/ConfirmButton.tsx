import { useSignal } from "@preact/signals";

interface Props {
  words: string;
  /** What it says once it was pressed, and is to be pressed again. */
  again: string;
  label?: string;
  onConfirm: () => void;
}

/** A button for what cannot be taken back: it asks once, in its own place, and forgets when the focus moves on. */
export function ConfirmButton({ words, again, label, onConfirm }: Props) {
  const asked = useSignal(false);
  return (
    <button
      type="button"
      class={asked.value ? "quiet problem" : "quiet"}
      aria-label={label && `${asked.value ? again : words} ${label}`}
      onBlur={() => (asked.value = false)}
      onClick={() => {
        if (asked.value) onConfirm();
        asked.value = !asked.value;
      }}
    >
      {asked.value ? again : words}
    </button>
  );
}
