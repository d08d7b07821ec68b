import {
  abortSignal,
  address,
  callback,
  checked,
  flag,
  given,
  invalid,
  number,
  whole,
  without,
  type Check,
} from "./checks.js";
import type { ForwardConfig, GenerateConfig, LoadConfig } from "./engine.js";
import type {
  ChatMessage,
  ChatOptions,
  ChatPromptOptions,
  ExitRule,
  ForwardOptions,
  GenerateOptions,
  LoadOptions,
  ModelInfo,
  TokenId,
  TraceOptions,
} from "./types.js";

/** Most recurrent steps, whatever a model was trained with. */
const MAX_STEPS = 8;

/** Most tokens of a step that the engine can list. */
const MAX_TRACE_TOP_K = 16;

/** `load`'s options for the engine; throws `invalid-argument`. */
export function loadConfig(options: LoadOptions): LoadConfig {
  const { contextLength, maxRows, maxBindingSize } = checked<LoadOptions>("load", options, {
    onProgress: callback,
    signal: abortSignal,
    worker: flag,
    wasmUrl: address,
    contextLength: whole(1),
    maxRows: whole(1),
    maxBindingSize: whole(1),
  });
  return given({ contextLength, maxRows, maxBindingSize });
}

/** `generate`'s options for the engine; throws `invalid-argument`. */
export function generateConfig(options: GenerateOptions, info: ModelInfo): GenerateConfig {
  return without(checked<GenerateOptions>("generate", options, generateChecks(options, info)), "signal");
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
    generate: without(without(all, "signal"), "enableThinking"),
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
  return {
    maxNewTokens: whole(1),
    temperature: number(0, Infinity),
    topK: whole(0),
    topP: number(0, 1, "above"),
    minP: number(0, 1),
    repetitionPenalty: number(0, Infinity, "above"),
    seed: whole(0),
    steps,
    exit: (value, name) =>
      exitRule(
        value,
        name,
        options.steps === undefined ? info.architecture.steps : (steps(options.steps, "steps") as number),
      ),
    stop: stopTexts,
    trace,
    signal: abortSignal,
  };
}

function exitRule(value: unknown, name: string, steps: number): ExitRule {
  if (value === "full") return value;
  const keys = typeof value === "object" && value !== null ? Object.keys(value) : [];
  if (keys.length === 1) {
    const rule = value as { step?: unknown; gate?: unknown };
    if (keys[0] === "step") return { step: whole(1, steps)(rule.step, `${name}.step`) };
    if (keys[0] === "gate") return { gate: number(0, 1, "above")(rule.gate, `${name}.gate`) };
  }
  throw invalid(name, 'must be "full", { step: n } or { gate: q }', value);
}

const trace: Check<TraceOptions> = (value, name) => {
  const keys = typeof value === "object" && value !== null ? Object.keys(value) : [];
  if (keys.length !== 1 || keys[0] !== "topK") throw invalid(name, "must be { topK: n }", value);
  return { topK: whole(1, MAX_TRACE_TOP_K)((value as TraceOptions).topK, `${name}.topK`) };
};

const stopTexts: Check<string[]> = (value, name) => {
  if (!Array.isArray(value)) throw invalid(name, "must be a list of strings", value);
  return value.map((stop, i) => {
    if (text(stop, `${name}[${i}]`) === "") throw invalid(`${name}[${i}]`, "must not be empty", stop);
    return stop as string;
  });
};
