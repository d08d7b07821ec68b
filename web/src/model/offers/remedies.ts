import type { Explanation } from "../errors.ts";
import { bytes } from "../format.ts";
import { contexts, FORMATS, type Held } from "./held.ts";
import { longestContext, needsOf, weightBytes } from "./needs.ts";
import type { Shape } from "./shape.ts";
import { smallerWays } from "./fit.ts";
import { asSuggested, suggestionWords } from "./suggestion.ts";

/** Another way to hold a model, and what the button says that takes it. */
export interface Remedy {
  words: string;
  held: Held;
}

/** Errors after which a model that takes less may well load. */
const MEMORY: readonly string[] = ["out-of-memory", "adapter-too-small"];

/**
 * What to try after an error. Where memory was the trouble: what is known to fit, or else a smaller format, and a shorter
 * context. Where a text was too long: a longer context, if the GPU can bind it.
 */
export function remediesFor(
  error: Pick<Explanation, "code" | "suggestion" | "room">,
  shape: Shape | undefined,
  held: Held,
  maxBinding = Infinity,
): Remedy[] {
  if (error.code === "context-full" && shape !== undefined)
    return longer(error.room, shape, held, maxBinding);
  if (!MEMORY.includes(error.code)) return [];
  // What the engine has worked out goes before what is guessed here.
  const { suggestion } = error;
  if (suggestion !== undefined) {
    const words = `Take ${suggestionWords(suggestion)}`;
    return [{ words, held: asSuggested(held, suggestion) }];
  }
  if (shape === undefined) return [];
  const smaller = smallerWays(shape, held);
  const format = smaller.find((way) => way.format !== held.format && way.context === held.context);
  const context = held.context !== undefined && held.context > 512 ? held.context / 2 : undefined;
  const remedies: Remedy[] = [];
  if (format !== undefined) {
    const { name } = FORMATS.find((one) => one.format === format.format)!;
    remedies.push({
      words: `Take ${name} instead (${bytes(weightBytes(shape, format.format))})`,
      held: { ...held, format: format.format },
    });
  }
  if (context !== undefined) {
    const shorter = { ...held, context: Math.floor(context) };
    const saved = needsOf(shape, held).kv - needsOf(shape, shorter).kv;
    const tokens = shorter.context.toLocaleString("en");
    remedies.push({ words: `Take ${tokens} tokens of context (${bytes(saved)} less)`, held: shorter });
  }
  return remedies;
}

function longer(room: Explanation["room"], shape: Shape, held: Held, maxBinding: number): Remedy[] {
  // Where less than the context was full, it was the memory: more context would not help.
  if (held.context === undefined || room === undefined || room.limit < held.context) return [];
  const least = Math.max(held.context, room.needed);
  const context = contexts(longestContext(shape, held.kv, maxBinding)).find((tokens) => tokens > least);
  if (context === undefined) return [];
  const more = needsOf(shape, { ...held, context }).kv - needsOf(shape, held).kv;
  const words = `Load it with ${context.toLocaleString("en")} tokens of context (${bytes(more)} more)`;
  return [{ words, held: { ...held, context } }];
}
