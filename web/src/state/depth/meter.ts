import { batch, computed, signal } from "@preact/signals";
import type { Finish, GeneratedToken, GenerateOptions, LoopLM, TokenId } from "looplm";
import { type Kept, keptAs } from "../../model/depth/compare.ts";
import { type Figures, figures } from "../../model/depth/figures.ts";
import { type Depth, depthOptions } from "../../model/depth/settings.ts";
import { type Said, type Timeline, timelineOf } from "../../model/depth/timeline.ts";
import { tokenLabel } from "../../model/format.ts";
import { depth } from "./settings.ts";

/** What is asked of the model, whatever the depth. */
export interface Request {
  ids: Uint32Array;
  /** Recurrent steps. */
  steps: number;
  options: GenerateOptions;
}

/** An answer that has ended, or was stopped. */
export interface Answer {
  depth: Depth;
  steps: number;
  finish: Finish;
  figures: Figures;
  timeline: Timeline;
}

/** An answer that is under way. */
export interface Live {
  tokens: number;
  tokensPerSecond: number | undefined;
  /** Tokens that were guessed right. */
  guessed: number;
}

export const live = signal<Live | undefined>(undefined);
export const last = signal<Answer | undefined>(undefined);
/** What was asked last, to be asked again. */
export const request = signal<Request | undefined>(undefined);

/** The answers of the session by what was asked, and by how they were made. */
const session = signal<ReadonlyMap<string, ReadonlyMap<string, Kept>>>(new Map());
const NOTHING: ReadonlyMap<string, Kept> = new Map();
/** Those to what was asked last. */
export const kept = computed(() => {
  const asked = request.value;
  return (asked && session.value.get(keyOf(asked))) ?? NOTHING;
});

/** Forgets what was measured with another model. */
export function clear(): void {
  batch(() => {
    live.value = undefined;
    last.value = undefined;
    request.value = undefined;
    session.value = new Map();
  });
}

function keyOf({ ids, steps, options }: Request): string {
  const { maxNewTokens, temperature, topK, topP, minP, seed } = options;
  return JSON.stringify([[...ids], steps, maxNewTokens, temperature, topK, topP, minP, seed]);
}

/** Notes an answer for the comparison. */
export function keep(asked: Request, answer: Kept): void {
  const key = keyOf(asked);
  const others = session.value.get(key) ?? NOTHING;
  session.value = new Map(session.value).set(key, new Map(others).set(keptAs(answer.depth), answer));
}

/** Calls `generate` as the settings say. */
export function generateWith(model: LoopLM, asked: Request, how: Depth, signal: AbortSignal) {
  const { ids, steps, options } = asked;
  return model.generate(ids, { ...options, ...depthOptions(how), steps, timeline: true, signal });
}

/** Times an answer from its first token on, as it comes. */
export class Watch {
  seconds = 0;
  tokens = 0;

  /** Waits for what comes next. */
  async next<T>(coming: () => Promise<IteratorResult<T, unknown>>): Promise<IteratorResult<T, unknown>> {
    const begun = performance.now();
    const result = await coming();
    if (this.tokens > 0) this.seconds += (performance.now() - begun) / 1000;
    if (!result.done) this.tokens++;
    return result;
  }

  get tokensPerSecond(): number | undefined {
    return this.tokens > 1 && this.seconds > 0 ? (this.tokens - 1) / this.seconds : undefined;
  }
}

/**
 * Generates as the settings say, and measures: the tokens are those of `generate`, and so is `finished`. `left` gives a
 * token's column the step at which it left, where that is not up to the gate.
 */
export function generate(model: LoopLM, asked: Request, signal: AbortSignal) {
  const how = depth.peek();
  const stream = generateWith(model, asked, how, signal);
  batch(() => {
    request.value = asked;
    last.value = undefined;
    live.value = { tokens: 0, tokensPerSecond: undefined, guessed: 0 };
  });
  return Object.assign(watched(stream, asked, how, signal), {
    finished: stream.finished,
    left: ({ exitStep }: GeneratedToken) =>
      how.mode === "full" || how.rule === "gate" ? {} : { left: exitStep },
  });
}

async function* watched(
  stream: ReturnType<LoopLM["generate"]>,
  asked: Request,
  how: Depth,
  signal: AbortSignal,
): AsyncGenerator<GeneratedToken, void> {
  const tokens: GeneratedToken[] = [];
  const watch = new Watch();
  let guessed = 0;
  const mine = () => request.peek() === asked;
  try {
    for (;;) {
      const { done, value } = await watch.next(() => stream.next());
      if (done || !value) break;
      const token = value as GeneratedToken;
      tokens.push(token);
      if (token.draftStep !== undefined) guessed++;
      if (mine()) live.value = { tokens: tokens.length, tokensPerSecond: watch.tokensPerSecond, guessed };
      yield token;
    }
  } catch (thrown) {
    // What came before it was stopped is worth showing.
    const finish = signal.aborted ? await stream.finished.catch(() => undefined) : undefined;
    if (mine()) ended(finish);
    throw thrown;
  } finally {
    // Left in the middle, the engine stops as well.
    await stream.return();
  }
  const finish = await stream.finished;
  if (!mine()) return;
  ended(finish);
  if (last.value) {
    const ids = tokens.map(({ id }) => id);
    keep(asked, { depth: how, ids, figures: last.value.figures });
  }

  function ended(finish: Finish | undefined): void {
    batch(() => {
      live.value = undefined;
      if (!finish || finish.newTokens === 0) return;
      last.value = {
        depth: how,
        steps: asked.steps,
        finish,
        figures: figures(finish, asked.steps, watch.seconds),
        timeline: timelineOf(finish.timeline, asked.steps, tokens.map(said), textOf(tokens)),
      };
    });
  }
}

/** The texts of the tokens that any step thought of, guesses among them. */
function textOf(tokens: readonly GeneratedToken[]): (id: TokenId) => string | undefined {
  const texts = new Map<TokenId, string>();
  for (const { steps } of tokens)
    for (const { top = [] } of steps) for (const { id, text } of top) texts.set(id, tokenLabel(text));
  return (id) => texts.get(id);
}

function said({ id, text, position, drafts, steps }: GeneratedToken): Said {
  // `text` is what became complete with the token; its own is among the candidates of the step that chose it.
  const own = steps.flatMap((step) => step.top ?? []).find((candidate) => candidate.id === id);
  return { id, position, drafts, label: tokenLabel(own?.text ?? text) };
}
