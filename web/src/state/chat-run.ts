import { batch, computed, signal } from "@preact/signals";
import type { Finish, GeneratedToken, LoopLM, PositionTrace, TokenId } from "looplm";
import { BEGIN, END, type Exchange, told, withoutThoughts } from "../model/conversation.ts";
import { column, type Column } from "../model/exit.ts";
import { errorCode, explain, type Explanation } from "../model/errors.ts";
import { tokenLabel } from "../model/format.ts";
import type { Sampling } from "../model/sampling.ts";
import { namedById, parseIds } from "../model/token-ids.ts";
import * as meter from "./depth/meter.ts";
import { decidedBy } from "./depth/settings.ts";
import { open, type OpenModel } from "./model.ts";
import { offerOf } from "./offers/offers.ts";
import type { RunState } from "./run.ts";
import { chooseCell, columns, hovered, prependColumns, steps } from "./view.ts";

/** Longest prompt whose own positions are traced as well: beyond it the trace would cost more than the answer. */
const TRACED_PROMPT = 512;

/** How long an answer may be to begin with: a few words that continue a text, an answer, or one with a thought before. */
const CONTINUED = 128;
const ANSWERED = 512;
const THOUGHT = 2048;

/** How long the first prompt of a model may be read before the page says why that may take long. */
const PATIENCE_MS = 2000;

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
/** The conversation before the question; for a model without a chat template it stays empty. */
export const exchanges = signal<readonly Exchange[]>([]);
/** The question being answered. */
export const question = signal("");
/** The answer's tokens so far: the text to show, and the same with the marks that thoughts stand between. */
const said = signal<readonly { text: string; marked: string }[]>([]);
/** The column of the first. */
const firstColumn = signal(0);
/** The answer's tokens so far. */
export const answerTokens = computed(() =>
  said.value.map(({ text }, i) => ({ text, column: firstColumn.value + i })),
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

export const answerText = computed(() => said.value.map(({ text }) => text).join(""));
/** Whether the prompt began a thought. */
const began = signal(false);
const written = computed(() =>
  withoutThoughts((began.value ? BEGIN : "") + said.value.map(({ marked }) => marked).join("")),
);
/** Whether the answer is a thought that has led to nothing yet. */
export const onlyThought = computed(() => written.value.thought !== "" && written.value.said.trim() === "");
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
  setThinking(undefined);
  if (isChat.value) void findThinking();
}

/** The length that was set last without being asked. */
let usual = CONTINUED;

export function setThinking(on: boolean | undefined): void {
  thinking.value = on;
  const before = usual;
  usual = !isChat.value ? CONTINUED : on ? THOUGHT : ANSWERED;
  // A length that a person chose stays.
  if (sampling.value.maxNewTokens === before) sampling.value = { ...sampling.value, maxNewTokens: usual };
}

/** A template that knows the switch writes another prompt with it. */
async function findThinking(): Promise<void> {
  const current = open.value;
  if (!current) return;
  const message = [{ role: "user", content: "?" }];
  const written = (enableThinking: boolean) => current.model.chatPrompt(message, { enableThinking });
  try {
    const [on, off] = await Promise.all([written(true), written(false)]);
    if (open.value === current && on !== off) setThinking(offerOf(current.source)?.thinks ?? false);
  } catch {
    // A template that cannot be written says so when it is asked something.
  }
}

/** Forgets the conversation. */
export function clear(): void {
  controller?.abort();
  controller = undefined;
  exchanges.value = [];
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
  began.value = false;
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

/**
 * The tokens to continue, which are the conversation as the chat template writes it, or the prompt itself; and whether a
 * thought is the first to come.
 */
async function promptOf({ model, info }: OpenModel, text: string) {
  if (takesIds.value) {
    const read = parseIds(text, info.architecture.vocabSize);
    return { ids: "ids" in read ? read.ids : new Uint32Array(), thinks: false };
  }
  if (!isChat.value) return { ids: await model.tokenize(text), thinks: false };
  const enableThinking = thinking.value;
  const asked = [...told(exchanges.value), { role: "user", content: text }];
  const prompt = await model.chatPrompt(asked, enableThinking === undefined ? {} : { enableThinking });
  // The template has written the special tokens.
  const ids = await model.tokenize(prompt, { addSpecialTokens: false });
  return { ids, thinks: prompt.trimEnd().endsWith(BEGIN) };
}

/** The marks of thoughts that are tokens of their own: these may have no text. */
async function marksOf({ model }: OpenModel): Promise<ReadonlyMap<TokenId, string>> {
  if (!isChat.value) return new Map();
  const ids = (mark: string) => model.tokenize(mark, { addSpecialTokens: false });
  const [begin, end] = await Promise.all([ids(BEGIN), ids(END)]);
  const own = begin.length === 1 && end.length === 1 && begin[0] !== end[0];
  return own ? new Map([[begin[0]!, BEGIN] as const, [end[0]!, END] as const]) : new Map();
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
    const { ids, thinks } = await promptOf(current, text);
    const marks = await marksOf(current);
    if (controller !== mine) return;
    began.value = thinks;
    // What is asked for outright and does not fit is an error, in the middle of the answer.
    const left = Math.max(current.info.contextLength - ids.length, 1);
    const maxNewTokens = Math.min(sampling.value.maxNewTokens, left);
    const options = { ...sampling.value, maxNewTokens, trace: { topK: 5 }, cachePrompt: isChat.value };
    const stream = meter.generate(model, { ids, steps: of, options }, mine.signal);
    for await (const token of stream) {
      if (controller !== mine) return;
      const next = { ...generatedColumn(token, of), ...stream.left(token) };
      const shown = takesIds.value ? `${token.id} ` : token.text;
      const mark = marks.get(token.id) ?? "";
      const marked = shown.includes(mark) ? shown : shown + mark;
      warm = model;
      batch(() => {
        waitNoMore();
        said.value = [...said.value, { text: shown, marked }];
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
    error.value = explain(thrown, exchanges.value.length > 0);
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
 * before the first word, is none.
 */
function keepAnswer(): void {
  if (isChat.value && state.value === "done" && answerText.value !== "")
    exchanges.value = [...exchanges.value, { question: question.value, ...written.value }];
  question.value = "";
}
