import { signal } from "@preact/signals";
import { isChat, question } from "./chat-run.ts";
import { isShipped, makesRoom, open, openModel, type OpenModel, sameModel, type Source } from "./model.ts";

/** From so many bytes of weights on, loading a model again takes a while. */
const TAKES_A_WHILE = 100 * 2 ** 20;

/** What is lost with the model in use. */
export interface Loss {
  name: string;
  /** Whether there has been talk with it. */
  conversation: boolean;
  /** Whether it is closed at once, so that none is open until the other is ready. */
  atOnce: boolean;
  /** Whether the model to open is the same one, held in another way. */
  anew: boolean;
}

/** The model that waits until a person says that the one in use may go. */
export const waiting = signal<(Loss & { source: Source }) | undefined>(undefined);

/** Opens a model; first asks, where a conversation or a long load would be lost with the one in use. */
export async function openInstead(source: Source): Promise<void> {
  const loss = open.value && lossOf(open.value, source);
  if (loss === undefined) return openModel(source);
  waiting.value = { ...loss, source };
}

/** The answer to that question. */
export async function answerWaiting(opens: boolean): Promise<void> {
  const source = waiting.value?.source;
  waiting.value = undefined;
  if (opens && source) await openModel(source);
}

function lossOf(current: OpenModel, next: Source): Loss | undefined {
  const { source, info } = current;
  const conversation = isChat.value && question.value !== "";
  const heavy = info.memory.weights >= TAKES_A_WHILE && !isShipped(source);
  if (!conversation && !heavy) return undefined;
  return { name: source.name, conversation, atOnce: makesRoom(current), anew: sameModel(source, next) };
}
