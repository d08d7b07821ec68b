import { FORMATS, type Held } from "./held.ts";

/** What the package says would fit; what is absent can stay as it is. */
export interface Suggestion {
  format?: Held["format"];
  contextLength?: number;
}

/** The suggestion in an error's details, if there is one that says something. */
export function readSuggestion(found: unknown): Suggestion | undefined {
  const { format: name, contextLength: tokens } = Object(found) as Record<string, unknown>;
  const format = FORMATS.find((one) => one.format === name)?.format;
  const contextLength = typeof tokens === "number" && tokens > 0 ? Math.floor(tokens) : undefined;
  if (format === undefined && contextLength === undefined) return undefined;
  return { ...(format && { format }), ...(contextLength && { contextLength }) };
}

/** "8 bits and 2,048 tokens of context". */
export function suggestionWords({ format, contextLength }: Suggestion): string {
  const name = FORMATS.find((one) => one.format === format)?.name;
  const tokens = contextLength && `${contextLength.toLocaleString("en")} tokens of context`;
  return [name, tokens].filter(Boolean).join(" and ");
}

/** A way to hold a model, changed as suggested. */
export function asSuggested(held: Held, { format, contextLength }: Suggestion): Held {
  return { ...held, format: format ?? held.format, context: contextLength ?? held.context };
}
