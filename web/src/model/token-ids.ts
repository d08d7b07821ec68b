import type { StepTrace } from "looplm";

/**
 * Reads token ids written with spaces or commas between them, for a model without a tokenizer.
 *
 * @returns the ids, or what is wrong in a sentence
 */
export function parseIds(text: string, vocabSize: number): { ids: Uint32Array } | { problem: string } {
  const parts = text.split(/[\s,]+/).filter(Boolean);
  if (parts.length === 0) return { problem: "Write at least one token id." };
  for (const part of parts) {
    const id = Number(part);
    if (!/^\d+$/.test(part) || id >= vocabSize)
      return { problem: `“${part}” is not a token id. They are whole numbers from 0 to ${vocabSize - 1}.` };
  }
  return { ids: Uint32Array.from(parts, Number) };
}

/** Names candidates by their ids, where no tokenizer can name them. */
export function namedById(steps: readonly StepTrace[]): StepTrace[] {
  return steps.map(({ top, ...rest }) =>
    top === undefined ? rest : { ...rest, top: top.map((c) => ({ ...c, text: String(c.id) })) },
  );
}
