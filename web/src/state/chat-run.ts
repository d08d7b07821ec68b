import { computed, signal } from "@preact/signals";
import type { ChatMessage, Finish, GenerateOptions, PositionTrace } from "looplm";
import { column, type Column } from "../model/exit.ts";
import { errorCode, explain, type Explanation } from "../model/errors.ts";
import { tokenLabel } from "../model/format.ts";
import { open } from "./model.ts";
import type { RunState } from "./shuffle-run.ts";
import { chooseCell, columns, hovered, q, steps } from "./view.ts";

/** Longest prompt whose own positions are traced as well: beyond it the trace would cost more than the answer. */
const TRACED_PROMPT = 512;

/** Sampling, as the controls set it. */
export interface Sampling {
  maxNewTokens: number;
  temperature: number;
  topK: number;
  topP: number;
  minP: number;
  seed: number;
}

export const sampling = signal<Sampling>({
  maxNewTokens: 128,
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  seed: 0,
});

export const prompt = signal("");
export const state = signal<RunState>("idle");
export const error = signal<Explanation | undefined>(undefined);
/** The conversation so far; for a model without a chat template it stays empty. */
export const messages = signal<readonly ChatMessage[]>([]);
/** The question being answered. */
export const question = signal("");
/** The answer's tokens so far, with the threshold they were made with. */
export const answerTokens = signal<readonly { text: string; column: number }[]>([]);
export const madeWith = signal<number>(1);
export const finish = signal<Finish | undefined>(undefined);

export const answerText = computed(() => answerTokens.value.map((t) => t.text).join(""));
export const isChat = computed(() => open.value?.info.tokenizer?.chatTemplate ?? false);

let controller: AbortController | undefined;

/** Forgets the conversation. */
export function clear(): void {
  controller?.abort();
  controller = undefined;
  messages.value = [];
  question.value = "";
  answerTokens.value = [];
  finish.value = undefined;
  error.value = undefined;
  state.value = "idle";
  columns.value = [];
}

/** Stops the answer within one pass; what came so far stays. */
export function stop(): void {
  controller?.abort();
}

function options(signal: AbortSignal): GenerateOptions {
  return {
    ...sampling.value,
    steps: steps.value,
    exit: q.value < 1 ? { gate: q.value } : "full",
    trace: { topK: 5 },
    signal,
  };
}

/**
 * Prompt positions as columns. What a position says is about the token after it, and a column holds the guesses for
 * its own token; so each takes its steps from the position before, and the first token has none to show.
 */
function promptColumns(positions: readonly PositionTrace[]): Column[] {
  return positions
    .slice(1)
    .map((p, i) =>
      column({ position: i + 1, label: tokenLabel(p.text), origin: "prompt", steps: positions[i]!.steps }),
    );
}

/** Asks the model to answer, or to continue, the prompt; columns and text grow as tokens come. */
export async function ask(): Promise<void> {
  const current = open.value;
  const text = prompt.value;
  if (!current || text.trim() === "") return;
  controller?.abort();
  const mine = new AbortController();
  controller = mine;
  keepAnswer();
  question.value = text;
  answerTokens.value = [];
  columns.value = [];
  finish.value = undefined;
  error.value = undefined;
  hovered.value = undefined;
  chooseCell(undefined);
  madeWith.value = q.value;
  state.value = "running";
  if (isChat.value) prompt.value = "";
  try {
    const { model } = current;
    const conversation = [...messages.value, { role: "user", content: text }];
    const written = isChat.value ? await model.chatPrompt(conversation) : text;
    const ids = await model.tokenize(written, { addSpecialTokens: !isChat.value });
    if (ids.length > 1 && ids.length <= TRACED_PROMPT) {
      const traced = await model.forward(ids, {
        steps: steps.value,
        trace: { topK: 5 },
        signal: mine.signal,
      });
      if (controller !== mine) return;
      columns.value = promptColumns(traced.positions ?? []);
    }
    const stream = model.generate(ids, options(mine.signal));
    for await (const token of stream) {
      if (controller !== mine) return;
      answerTokens.value = [...answerTokens.value, { text: token.text, column: columns.value.length }];
      columns.value = [
        ...columns.value,
        column({
          position: token.position,
          label: tokenLabel(token.text),
          origin: "generated",
          steps: token.steps,
        }),
      ];
    }
    finish.value = await stream.finished;
    state.value = "done";
  } catch (thrown) {
    if (controller !== mine) return;
    if (errorCode(thrown) === "aborted") {
      state.value = "done";
      return;
    }
    error.value = explain(thrown);
    state.value = "error";
  }
}

/** Moves the finished exchange into the conversation before the next question. */
function keepAnswer(): void {
  if (!isChat.value || question.value === "") return;
  messages.value = [
    ...messages.value,
    { role: "user", content: question.value },
    { role: "assistant", content: answerText.value },
  ];
  question.value = "";
}
