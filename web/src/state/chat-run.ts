import { batch, computed, signal } from "@preact/signals";
import type { ChatMessage, Finish, GeneratedToken, LoopLM, PositionTrace } from "looplm";
import { column, type Column } from "../model/exit.ts";
import { errorCode, explain, type Explanation } from "../model/errors.ts";
import { tokenLabel } from "../model/format.ts";
import { namedById, parseIds } from "../model/token-ids.ts";
import * as meter from "./depth/meter.ts";
import { decidedBy } from "./depth/settings.ts";
import { open, type OpenModel } from "./model.ts";
import { offerOf } from "./offers/offers.ts";
import type { RunState } from "./run.ts";
import { chooseCell, columns, hovered, prependColumns, steps } from "./view.ts";

/** Longest prompt whose own positions are traced as well: beyond it the trace would cost more than the answer. */
const TRACED_PROMPT = 512;

/** How long an answer may be to begin with: a few words that continue a text, or what may have to be thought over. */
const CONTINUED = 128;
const ANSWERED = 512;

/** How long the first prompt of a model may be read before the page says why that may take long. */
const PATIENCE_MS = 2000;

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
  maxNewTokens: CONTINUED,
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
/** The texts of the answer's tokens so far. */
const said = signal<readonly string[]>([]);
/** The column of the first. */
const firstColumn = signal(0);
/** The answer's tokens so far. */
export const answerTokens = computed(() =>
  said.value.map((text, i) => ({ text, column: firstColumn.value + i })),
);
/** The threshold that had the last word about them; undefined where all steps had it, or another rule. */
export const madeWith = signal<number | undefined>(undefined);
export const finish = signal<Finish | undefined>(undefined);
/** Whether the answer was stopped before its end. */
export const stopped = signal(false);
/**
 * What an answer without a word waits for: its prompt to be read, which for the first of a model may have to wait for the
 * GPU to be made ready. Nothing tells the two apart.
 */
export const waiting = signal<"prompt" | "first-prompt" | undefined>(undefined);
/** Whether the steps of the prompt's own tokens are being computed, after the answer. */
export const tracing = signal(false);
/** Whether the answer ended because there is no room left for more. */
export const filled = signal(false);

export const answerText = computed(() => said.value.join(""));
export const isChat = computed(() => open.value?.info.tokenizer?.chatTemplate ?? false);
/** Without a tokenizer the prompt is token ids. */
export const takesIds = computed(() => open.value?.info.tokenizer === null);
/** What is wrong with the prompt, in a sentence. */
export const problem = computed(() => {
  const current = open.value;
  if (!current || !takesIds.value || prompt.value.trim() === "") return undefined;
  const read = parseIds(prompt.value, current.info.architecture.vocabSize);
  return "problem" in read ? read.problem : undefined;
});

let controller: AbortController | undefined;
let patience: ReturnType<typeof setTimeout> | undefined;
/** The model that has answered before. */
let warm: LoopLM | undefined;

/** Whether a chat model is to think aloud before it answers; undefined where its template knows no such thing. */
export const thinking = signal<boolean | undefined>(undefined);

/** Sets what depends on the open model: how long answers may be, and whether it can be asked to think. */
export function begin(): void {
  const chats = isChat.value;
  const { maxNewTokens: set } = sampling.value;
  // A length that a person chose stays.
  if (set === CONTINUED || set === ANSWERED)
    sampling.value = { ...sampling.value, maxNewTokens: chats ? ANSWERED : CONTINUED };
  thinking.value = undefined;
  if (chats) void findThinking();
}

/** A template that knows the switch writes another prompt with it. */
async function findThinking(): Promise<void> {
  const current = open.value;
  if (!current) return;
  const message = [{ role: "user", content: "?" }];
  const written = (enableThinking: boolean) => current.model.chatPrompt(message, { enableThinking });
  try {
    const [on, off] = await Promise.all([written(true), written(false)]);
    if (open.value === current && on !== off) thinking.value = offerOf(current.source)?.thinks ?? false;
  } catch {
    // A template that cannot be written says so when it is asked something.
  }
}

/** Forgets the conversation. */
export function clear(): void {
  controller?.abort();
  controller = undefined;
  messages.value = [];
  question.value = "";
  clearAnswer();
  finish.value = undefined;
  stopped.value = false;
  filled.value = false;
  error.value = undefined;
  state.value = "idle";
  columns.value = [];
}

function wait(model: LoopLM): void {
  waiting.value = "prompt";
  if (model !== warm) patience = setTimeout(() => (waiting.value = "first-prompt"), PATIENCE_MS);
}

function waitNoMore(): void {
  clearTimeout(patience);
  waiting.value = undefined;
}

function clearAnswer(): void {
  waitNoMore();
  said.value = [];
  firstColumn.value = 0;
  tracing.value = false;
}

/** Stops the answer within one pass; what came so far stays. */
export function stop(): void {
  controller?.abort();
}

/**
 * Prompt positions as columns. What a position says is about the token after it, and a column holds the guesses for
 * its own token; so each takes its steps from the position before, and the first token has none to show.
 */
function promptColumns(positions: readonly PositionTrace[], of: number): Column[] {
  return positions.slice(1).map((p, i) => {
    const { steps } = positions[i]!;
    return takesIds.value
      ? column({ position: i + 1, label: String(p.id), origin: "prompt", steps: namedById(steps), of })
      : column({ position: i + 1, label: tokenLabel(p.text), origin: "prompt", steps, of });
  });
}

function generatedColumn({ id, text, position, steps }: GeneratedToken, of: number): Column {
  if (takesIds.value)
    return column({ position, label: String(id), origin: "generated", steps: namedById(steps), of });
  // `text` is what became complete with this token; its own text is among the candidates of the step that chose it.
  const own = steps.flatMap((step) => step.top ?? []).find((candidate) => candidate.id === id);
  return column({ position, label: tokenLabel(own?.text ?? text), origin: "generated", steps, of });
}

/** The tokens to continue: the conversation as the chat template writes it, or the prompt itself. */
async function promptIds({ model, info }: OpenModel, text: string): Promise<Uint32Array> {
  if (takesIds.value) {
    const read = parseIds(text, info.architecture.vocabSize);
    return "ids" in read ? read.ids : new Uint32Array();
  }
  if (!isChat.value) return model.tokenize(text);
  const enableThinking = thinking.value;
  const asked = [...messages.value, { role: "user", content: text }];
  const written = await model.chatPrompt(asked, enableThinking === undefined ? {} : { enableThinking });
  // The template has written the special tokens.
  return model.tokenize(written, { addSpecialTokens: false });
}

/**
 * Asks the model to answer, or to continue, the prompt; columns and text grow as tokens come. An answer under way has to
 * end, or be stopped, first.
 */
export async function ask(): Promise<void> {
  const current = open.value;
  const text = prompt.value;
  if (!current || state.value === "running" || text.trim() === "" || problem.value !== undefined) return;
  controller?.abort();
  const mine = new AbortController();
  controller = mine;
  keepAnswer();
  question.value = text;
  clearAnswer();
  columns.value = [];
  finish.value = undefined;
  stopped.value = false;
  filled.value = false;
  error.value = undefined;
  hovered.value = undefined;
  chooseCell(undefined);
  madeWith.value = decidedBy();
  const of = steps.value;
  state.value = "running";
  wait(current.model);
  if (isChat.value) prompt.value = "";
  try {
    const { model } = current;
    const ids = await promptIds(current, text);
    // What is asked for outright and does not fit is an error, in the middle of the answer.
    const left = Math.max(current.info.contextLength - ids.length, 1);
    const maxNewTokens = Math.min(sampling.value.maxNewTokens, left);
    const options = { ...sampling.value, maxNewTokens, trace: { topK: 5 } };
    const stream = meter.generate(model, { ids, steps: of, options }, mine.signal);
    for await (const token of stream) {
      if (controller !== mine) return;
      const next = { ...generatedColumn(token, of), ...stream.left(token) };
      const shown = takesIds.value ? `${token.id} ` : token.text;
      warm = model;
      batch(() => {
        waitNoMore();
        said.value = [...said.value, shown];
        columns.value = [...columns.value, next];
      });
    }
    const ended = await stream.finished;
    if (controller !== mine) return;
    waitNoMore();
    finish.value = ended;
    filled.value = ended.reason === "length" && maxNewTokens === left;
    state.value = "done";
    await tracePrompt(model, ids, of, mine);
  } catch (thrown) {
    if (controller !== mine) return;
    waitNoMore();
    if (errorCode(thrown) === "aborted") {
      stopped.value = true;
      state.value = "done";
      if (answerText.value === "") askAgain(text);
      return;
    }
    if (errorCode(thrown) === "context-full" && answerText.value !== "") {
      // There was less memory than context. What came is an answer all the same.
      filled.value = true;
      state.value = "done";
      return;
    }
    error.value = explain(thrown, messages.value.length > 0);
    state.value = "error";
    askAgain(text);
  }
}

/**
 * Shows what the steps thought of the prompt's tokens as well, before those of the answer. `generate` does not tell, and
 * to find out takes as long as to read the prompt, so the answer comes first.
 */
async function tracePrompt(model: LoopLM, ids: Uint32Array, of: number, mine: AbortController) {
  if (ids.length < 2 || ids.length > TRACED_PROMPT) return;
  tracing.value = true;
  try {
    const { signal } = mine;
    const { positions = [] } = await model.forward(ids, { steps: of, trace: { topK: 5 }, signal });
    if (controller !== mine) return;
    const before = promptColumns(positions, of);
    batch(() => {
      prependColumns(before);
      firstColumn.value = before.length;
    });
  } catch (thrown) {
    // The answer is none the worse for it.
    if (controller === mine && errorCode(thrown) !== "aborted") error.value = explain(thrown);
  } finally {
    if (controller === mine) tracing.value = false;
  }
}

/** Asks the last question again, in place of its answer. What is being typed stays. */
export async function answerAgain(): Promise<void> {
  const typed = prompt.value;
  const text = question.value;
  if (text === "" || state.value === "running") return;
  // The exchange is not over: it is not to become part of the conversation.
  clearAnswer();
  prompt.value = text;
  const answering = ask();
  if (typed !== text) prompt.value = typed;
  await answering;
}

/** Puts a question without an answer back where it was typed, unless another is being typed there. */
function askAgain(text: string): void {
  if (prompt.value === "") prompt.value = text;
}

/**
 * Moves the finished exchange into the conversation before the next question. A question that failed, or was stopped
 * before the first word, is none: an empty answer in the conversation would teach the model to give more of them.
 */
function keepAnswer(): void {
  if (isChat.value && state.value === "done" && answerText.value !== "") {
    messages.value = [
      ...messages.value,
      { role: "user", content: question.value },
      { role: "assistant", content: answerText.value },
    ];
  }
  question.value = "";
}
