import {
  abortSignal,
  address,
  callback,
  checked,
  flag,
  given,
  invalid,
  number,
  oneOf,
  whole,
  without,
  type Check,
} from "./checks.js";
import { createError } from "./errors.js";
import type { ForwardConfig, GenerateConfig, LoadConfig } from "./engine.js";
import type {
  ChatMessage,
  ChatOptions,
  ChatPromptOptions,
  EvictOptions,
  ExitRule,
  ForwardOptions,
  GenerateOptions,
  KvPolicy,
  LoadOptions,
  ModelInfo,
  TokenId,
  TraceOptions,
  WeightFormat,
} from "./types.js";

/** Most recurrent steps, whatever a model was trained with. */
const MAX_STEPS = 8;

/** Most tokens of a step that the engine can list. */
const MAX_TRACE_TOP_K = 16;

/** `load`'s options for the engine; throws `invalid-argument`. */
export function loadConfig(options: LoadOptions): LoadConfig {
  const all = checked<LoadOptions>("load", options, {
    format: weightFormat,
    kv: oneOf("f16", "f32", "q8"),
    cache: flag,
    headers: requestHeaders,
    onProgress: callback,
    signal: abortSignal,
    worker: flag,
    workerUrl: address,
    wasmUrl: address,
    chatWasmUrl: address,
    contextLength: whole(1),
    maxRows: whole(1),
    maxBindingSize: whole(1),
    kvBytes: whole(1),
    memoryLimit: whole(1),
    restore: flag,
  });
  const { format, kv: kvFormat, contextLength, maxRows, maxBindingSize, kvBytes, memoryLimit } = all;
  const conversion = format === "stored" ? undefined : format;
  return given({
    format: conversion,
    kvFormat,
    contextLength,
    maxRows,
    maxBindingSize,
    kvBytes,
    memoryLimit,
  });
}

/** Headers in a form that can cross to a Worker; throws `invalid-argument`. What they hold may be secret, so no error says it. */
export const requestHeaders: Check<Record<string, string>> = (value, argument) => {
  try {
    return Object.fromEntries(new Headers(value as HeadersInit));
  } catch {
    const message = `${argument} must be HTTP headers, as { Authorization: "Bearer ..." }`;
    throw createError("invalid-argument", message, { argument });
  }
};

/** `evict`'s options; throws `invalid-argument`. */
export function evictOptions(options: EvictOptions): EvictOptions {
  return checked<EvictOptions>("evict", options, { format: weightFormat });
}

/** The model that `evict` was told; throws `invalid-argument`. */
export function evictSource(source: unknown): string | URL {
  if (typeof source === "string" || source instanceof URL) return source;
  throw invalid("source", "must be a model's address (LoopLM.evict() without arguments removes all)", source);
}

/** `generate`'s options for the engine; throws `invalid-argument`. */
export function generateConfig(options: GenerateOptions, info: ModelInfo): GenerateConfig {
  return engineConfig(checked<GenerateOptions>("generate", options, generateChecks(options, info)));
}

/** `chat`'s options for the engine and for the template; throws `invalid-argument`. */
export function chatConfig(
  options: ChatOptions,
  info: ModelInfo,
): { generate: GenerateConfig; prompt: ChatPromptOptions } {
  const all = checked<ChatOptions>("chat", options, {
    ...generateChecks(options, info),
    enableThinking: flag,
  });
  const { enableThinking } = all;
  return {
    // A conversation mostly goes on where it was.
    generate: engineConfig({ cachePrompt: true, ...without(all, "enableThinking") }),
    prompt: given({ addGenerationPrompt: true, enableThinking }),
  };
}

/** `chatPrompt`'s options; throws `invalid-argument`. */
export function chatPromptConfig(options: ChatPromptOptions): ChatPromptOptions {
  return {
    addGenerationPrompt: true,
    ...checked<ChatPromptOptions>("chatPrompt", options, { addGenerationPrompt: flag, enableThinking: flag }),
  };
}

/** `forward`'s options for the engine; throws `invalid-argument`. */
export function forwardConfig(options: ForwardOptions): ForwardConfig {
  const all = checked<ForwardOptions>("forward", options, {
    steps: whole(1, MAX_STEPS),
    logits: flag,
    hidden: flag,
    trace,
    gate: number(0, 1, "above"),
    signal: abortSignal,
  });
  return without(all, "signal");
}

/** Ids as the engine takes them; throws `invalid-argument`. */
export function tokenIds(ids: unknown, argument: string, vocabSize: number): Uint32Array {
  const list = ids instanceof Uint32Array || Array.isArray(ids) ? (ids as ArrayLike<unknown>) : undefined;
  if (list === undefined) {
    throw invalid(argument, "must be token ids (a Uint32Array or a list of numbers)", ids);
  }
  for (let i = 0; i < list.length; i++) {
    const id = list[i];
    if (!Number.isInteger(id) || (id as TokenId) < 0 || (id as TokenId) >= vocabSize) {
      throw invalid(`${argument}[${i}]`, `must be a token id, 0 to ${vocabSize - 1}`, id);
    }
  }
  return Uint32Array.from(list as ArrayLike<TokenId>);
}

/** A prompt that is no text, as ids; throws `invalid-argument`. */
export function promptIds(prompt: unknown, vocabSize: number): Uint32Array {
  const first: unknown = Array.isArray(prompt) ? prompt[0] : prompt;
  if (typeof first === "object" && first !== null && "role" in first) {
    throw invalid("prompt", "must be text or token ids (a conversation is for `chat`)", prompt);
  }
  if (!(prompt instanceof Uint32Array || Array.isArray(prompt))) {
    throw invalid("prompt", "must be text, or token ids (a Uint32Array or a list of numbers)", prompt);
  }
  const ids = tokenIds(prompt, "prompt", vocabSize);
  if (ids.length === 0) throw invalid("prompt", "must have at least one token", prompt);
  return ids;
}

/** A text; throws `invalid-argument`. */
export function text(value: unknown, argument: string): string {
  if (typeof value !== "string") throw invalid(argument, "must be a string", value);
  return value;
}

/** A conversation; throws `invalid-argument`. */
export function chatMessages(messages: unknown): ChatMessage[] {
  if (!Array.isArray(messages) || messages.length === 0) {
    throw invalid("messages", "must be a list of at least one message", messages);
  }
  return messages.map((message: Partial<ChatMessage> | null | undefined, i) => ({
    role: text(message?.role, `messages[${i}].role`),
    content: text(message?.content, `messages[${i}].content`),
  }));
}

function generateChecks(
  options: GenerateOptions,
  info: ModelInfo,
): Record<keyof GenerateOptions, Check<unknown>> {
  const steps = whole(1, MAX_STEPS);
  // Options that bound others are checked with them: which comes first is up to the caller.
  const total = (): number =>
    options.steps === undefined ? info.architecture.steps : steps(options.steps, "steps");
  const maxSteps: Check<number> = (value, name) => whole(1, total())(value, name);
  const last = (): number =>
    options.maxSteps === undefined ? total() : maxSteps(options.maxSteps, "maxSteps");
  return {
    maxNewTokens: whole(1),
    temperature: number(0, Infinity),
    topK: whole(0),
    topP: number(0, 1, "above"),
    minP: number(0, 1),
    repetitionPenalty: number(0, Infinity, "above"),
    seed: whole(0),
    steps,
    exit: (value, name) => exitRule(value, name, total()),
    minSteps: (value, name) => whole(1, last())(value, name),
    maxSteps,
    kv,
    verify: (value, name) => verify(value, name, options.kv === undefined ? "full" : kv(options.kv, "kv")),
    timeline: flag,
    cachePrompt: flag,
    stop: stopTexts,
    trace,
    signal: abortSignal,
  };
}

/** What is left to do to checked options. */
function engineConfig({ signal: _, stop, verify, ...rest }: Partial<GenerateOptions>): GenerateConfig {
  return given({
    ...rest,
    stop: typeof stop === "string" ? [stop] : stop,
    verify: typeof verify === "boolean" ? (verify ? "on" : "off") : verify,
  });
}

/** The word of each rule. */
type RuleName<R = ExitRule> = R extends string ? never : keyof R;

function exitRule(value: unknown, name: string, steps: number): ExitRule {
  if (value === "full") return value;
  const rules: Record<RuleName, Check<number>> = {
    step: whole(1, steps),
    gate: number(0, 1, "above"),
    gateDelayed: number(0, 1, "above"),
    hidden: number(0, Infinity, "above"),
    hiddenAbs: number(0, Infinity, "above"),
    confidence: number(0, 1, "above"),
    entropy: number(0, Infinity, "above"),
    agree: whole(2, steps),
  };
  const entries = typeof value === "object" && value !== null ? Object.entries(value) : [];
  const [word = "", found] = entries[0] ?? [];
  if (entries.length !== 1 || !Object.hasOwn(rules, word)) {
    const words = Object.keys(rules).map((rule) => `{ ${rule}: n }`);
    throw invalid(name, `must be "full" or one of ${words.join(", ")}`, value);
  }
  return { [word]: rules[word as RuleName](found, `${name}.${word}`) } as ExitRule;
}

const weightFormat = oneOf("stored", "f16", "q8", "q4") as Check<WeightFormat>;

const kv = oneOf("full", "last-exited", "last", "mean", "first") as Check<KvPolicy>;

function verify(value: unknown, name: string, policy: KvPolicy): unknown {
  if (typeof value !== "boolean" && value !== "auto" && value !== "always") {
    throw invalid(name, 'must be true, false, "auto" or "always"', value);
  }
  if ((value === true || value === "always") && policy !== "full") {
    throw invalid(
      name,
      `must be false or "auto" with kv "${policy}", which changes what later tokens find`,
      value,
    );
  }
  return value;
}

const trace: Check<TraceOptions> = (value, name) => {
  const keys = typeof value === "object" && value !== null ? Object.keys(value) : [];
  if (keys.length !== 1 || keys[0] !== "topK") throw invalid(name, "must be { topK: n }", value);
  return { topK: whole(1, MAX_TRACE_TOP_K)((value as TraceOptions).topK, `${name}.topK`) };
};

const stopTexts: Check<string | string[]> = (value, name) => {
  if (typeof value === "string" && value !== "") return value;
  if (!Array.isArray(value))
    throw invalid(name, "must be a text that is not empty, or a list of such", value);
  return value.map((stop, i) => {
    if (text(stop, `${name}[${i}]`) === "") throw invalid(`${name}[${i}]`, "must not be empty", stop);
    return stop as string;
  });
};
