import type {
  ChatMessage,
  ChatPromptOptions,
  Finish,
  GeneratedToken,
  GenerateOptions,
  LoopLM,
  ModelInfo,
} from "looplm";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  answerText,
  answerTokens,
  ask,
  begin,
  clear,
  error,
  exchanges,
  filled,
  onlyThought,
  prompt,
  question,
  sampling,
  setThinking,
  state,
  stop,
  stopped,
  thinking,
  waiting,
} from "./chat-run.ts";
import { open } from "./model.ts";
import { columns } from "./view.ts";

vi.mock("looplm", () => ({}));

const FINISH: Finish = {
  ...{
    reason: "stop",
    promptTokens: 1,
    cachedTokens: 0,
    newTokens: 2,
    passes: 8,
    prefillPasses: 4,
    rowSteps: 8,
    seconds: 1,
  },
  ...{ accepted: 0, discarded: 0, drafts: [], kvBytes: 64, timeline: [] },
};
/** The marks of thoughts, and the token id of the first. */
const MARKS = ["<think>", "</think>"];
const MARK = 100;
const fails = (code: string) => Object.assign(new Error(code), { code, details: {} });

/** What the model says to each question in turn; an Error is thrown at its place. */
let answers: (string | Error)[][];
/** The conversations the model was asked to continue. */
let asked: string[][];
/** How long each answer might have become. */
let limits: (number | undefined)[];
/** How the answers end. */
let ending: Partial<Finish>;
/** Tokens of every prompt. */
let prompted: number;
/** What is thrown when a prompt's own steps are asked for. */
let tracing: Error | undefined;
/** What the model had to do, and how many columns there were. */
let calls: string[];

const info = {
  architecture: { steps: 4, vocabSize: 10 },
  contextLength: 64,
  tokenizer: { vocabSize: 10, chatTemplate: true, stopIds: [] },
  task: null,
} as unknown as ModelInfo;

async function* say(parts: (string | Error)[]): AsyncGenerator<GeneratedToken> {
  for (const [i, part] of parts.entries()) {
    if (part instanceof Error) throw part;
    const steps = [{ lambda: 1, probability: 1 }];
    // As a tokenizer has it where they are special: a token of their own, without a text.
    const mark = MARKS.indexOf(part);
    const [id, text] = mark < 0 ? [i, part] : [MARK + mark, ""];
    yield { id, text, position: 1 + i, exitStep: 1, drafts: [], exitPdf: [1], steps };
  }
}

beforeEach(() => {
  answers = [];
  asked = [];
  limits = [];
  ending = {};
  prompted = 1;
  tracing = undefined;
  calls = [];
  const model = {
    chatPrompt: async (conversation: ChatMessage[], { enableThinking }: ChatPromptOptions) => {
      asked.push(conversation.map(({ role, content }) => `${role}: ${content}`));
      return enableThinking ? "It:\n<think>\n" : "It:\n";
    },
    tokenize: async (text: string) => {
      const mark = MARKS.indexOf(text);
      return mark < 0 ? new Uint32Array(prompted) : Uint32Array.of(MARK + mark);
    },
    forward: async (ids: Uint32Array) => {
      calls.push(`forward after ${columns.value.length}`);
      if (tracing instanceof Error) throw tracing;
      return { positions: [...ids].map((id) => ({ id, text: "p", steps: [] })) };
    },
    generate: (_ids: unknown, { maxNewTokens }: GenerateOptions) => {
      limits.push(maxNewTokens);
      calls.push("generate");
      const finished = Promise.resolve({ ...FINISH, ...ending });
      return Object.assign(say(answers.shift() ?? []), { finished });
    },
  };
  open.value = {
    source: { name: "m", from: "m" },
    model: model as unknown as LoopLM,
    info,
    task: undefined,
  };
  clear();
  thinking.value = undefined;
  prompt.value = "";
});

async function askFor(text: string): Promise<void> {
  prompt.value = text;
  await ask();
}

describe("the end of the context", () => {
  it("is where an answer may not go beyond, and is told from a limit that was chosen", async () => {
    sampling.value = { ...sampling.value, maxNewTokens: 20 };
    ending = { reason: "length" };
    answers = [["a"], ["b"], ["c"]];
    await askFor("Hi");
    expect(filled.value).toBe(false);
    prompted = 60;
    await askFor("Sure?");
    expect(filled.value).toBe(true);
    prompted = 64;
    await askFor("And?");
    expect(limits).toEqual([20, 4, 1]);
  });

  it("leaves what was said before the memory was full in the conversation", async () => {
    answers = [["Par", fails("context-full")], ["Yes"]];
    await askFor("Hi");
    expect([state.value, filled.value, prompt.value]).toEqual(["done", true, ""]);
    await askFor("Sure?");
    expect(asked[1]).toEqual(["user: Hi", "assistant: Par", "user: Sure?"]);
    expect(filled.value).toBe(false);
  });

  it("gives a question back that no longer fits, and says how to go on", async () => {
    answers = [["Hello"], [fails("context-full")], ["Yes"]];
    await askFor("Hi");
    await askFor("Sure?");
    expect(state.value).toBe("error");
    expect(error.value?.title).toContain("conversation");
    clear();
    expect(prompt.value).toBe("Sure?");
    await ask();
    expect(asked[2]).toEqual(["user: Sure?"]);
  });
});

describe("a model that thinks aloud", () => {
  it("is told what it said, but not what it thought", async () => {
    thinking.value = true;
    answers = [["add", "</think>", "\n\n", "4"], ["Yes"]];
    await askFor("2 + 2?");
    expect([answerText.value, onlyThought.value]).toEqual(["add\n\n4", false]);
    await askFor("Sure?");
    expect(asked[1]).toEqual(["user: 2 + 2?", "assistant: 4", "user: Sure?"]);
    expect(exchanges.value).toEqual([{ question: "2 + 2?", thought: "add", said: "4" }]);
  });

  it("is not told of a thought without its end, which can still be read", async () => {
    thinking.value = true;
    ending = { reason: "length" };
    answers = [["add two", " and"], ["Yes"]];
    await askFor("2 + 2?");
    expect(onlyThought.value).toBe(true);
    thinking.value = false;
    await askFor("Sure?");
    expect(asked[1]).toEqual(["user: Sure?"]);
    expect(exchanges.value).toEqual([{ question: "2 + 2?", thought: "add two and", said: "" }]);
  });

  it("may write more, unless a person said how much", () => {
    const set = () => sampling.value.maxNewTokens;
    sampling.value = { ...sampling.value, maxNewTokens: 128 };
    begin();
    expect(set()).toBe(512);
    setThinking(true);
    expect(set()).toBe(2048);
    setThinking(false);
    expect(set()).toBe(512);
    sampling.value = { ...sampling.value, maxNewTokens: 300 };
    setThinking(true);
    expect(set()).toBe(300);
  });
});

describe("the prompt's own columns", () => {
  it("come when the answer is there, before it", async () => {
    prompted = 3;
    answers = [["Hel", "lo"]];
    await askFor("Hi");
    expect(calls).toEqual(["generate", "forward after 2"]);
    expect(columns.value.map(({ origin }) => origin)).toEqual([
      ...["prompt", "prompt"],
      ...["generated", "generated"],
    ]);
    expect(answerTokens.value.map(({ column }) => column)).toEqual([2, 3]);
  });

  it("cost the answer nothing if they fail", async () => {
    prompted = 3;
    tracing = fails("out-of-memory");
    answers = [["Hello"], ["Yes"]];
    await askFor("Hi");
    expect([state.value, error.value?.code, prompt.value]).toEqual(["done", "out-of-memory", ""]);
    tracing = undefined;
    await askFor("Sure?");
    expect(asked[1]).toEqual(["user: Hi", "assistant: Hello", "user: Sure?"]);
    expect(answerTokens.value.map(({ column }) => column)).toEqual([2]);
  });

  it("are not computed for an answer that was stopped", async () => {
    prompted = 3;
    answers = [["Hel", fails("aborted")]];
    await askFor("Hi");
    expect(calls).toEqual(["generate"]);
  });
});

describe("the time before the first word", () => {
  afterEach(() => void vi.useRealTimers());

  it("is for reading, and with a model's first prompt perhaps for the GPU to be made ready", async () => {
    vi.useFakeTimers();
    let go = () => {};
    const seen: (string | undefined)[] = [];
    const { model } = open.value!;
    const generate = model.generate.bind(model);
    const later = (...[ids, options]: Parameters<typeof generate>) => {
      const stream = generate(ids, options);
      const next = stream.next.bind(stream);
      const gate = new Promise<void>((resolve) => (go = resolve));
      stream.next = () => gate.then(next);
      return stream;
    };
    Object.assign(model, { generate: later });
    answers = [["Hello"], ["Yes"]];
    for (const text of ["Hi", "Sure?"]) {
      const answering = askFor(text);
      seen.push(waiting.value);
      await vi.advanceTimersByTimeAsync(2100);
      seen.push(waiting.value);
      go();
      await answering;
      seen.push(waiting.value);
    }
    expect(seen).toEqual(["prompt", "first-prompt", undefined, "prompt", "prompt", undefined]);
  });

  it("ends with an error, and when it is stopped", async () => {
    answers = [[fails("device-lost")], [fails("aborted")]];
    await askFor("Hi");
    expect(waiting.value).toBeUndefined();
    await askFor("Hi");
    expect(waiting.value).toBeUndefined();
  });
});

describe("a conversation", () => {
  it("goes on from what was said", async () => {
    answers = [["Hel", "lo"], ["Yes"]];
    await askFor("Hi");
    expect(state.value).toBe("done");
    expect(answerText.value).toBe("Hello");
    expect(prompt.value).toBe("");
    await askFor("Sure?");
    expect(asked[1]).toEqual(["user: Hi", "assistant: Hello", "user: Sure?"]);
  });

  it("forgets a question that failed, and gives it back to ask again", async () => {
    answers = [["Hello"], ["Par", fails("device-lost")], ["Yes"]];
    await askFor("Hi");
    await askFor("Sure?");
    expect(state.value).toBe("error");
    expect(error.value?.code).toBe("device-lost");
    expect(question.value).toBe("Sure?");
    expect(prompt.value).toBe("Sure?");
    await ask();
    expect(asked[2]).toEqual(["user: Hi", "assistant: Hello", "user: Sure?"]);
    expect(exchanges.value).toEqual([{ question: "Hi", thought: "", said: "Hello" }]);
    expect(error.value).toBeUndefined();
  });

  it("forgets a question that was stopped before the first word", async () => {
    answers = [[fails("aborted")], ["Yes"]];
    await askFor("Hi");
    expect(state.value).toBe("done");
    expect(stopped.value).toBe(true);
    expect(prompt.value).toBe("Hi");
    await ask();
    expect(asked[1]).toEqual(["user: Hi"]);
  });

  it("keeps what came before it was stopped", async () => {
    answers = [["Hel", fails("aborted")], ["Yes"]];
    await askFor("Hi");
    expect(prompt.value).toBe("");
    await askFor("Sure?");
    expect(asked[1]).toEqual(["user: Hi", "assistant: Hel", "user: Sure?"]);
  });

  it("lets an answer end before the next question, whatever is typed meanwhile", async () => {
    answers = [["Hel", "lo"], ["Yes"]];
    const answering = askFor("Hi");
    await askFor("Sure?");
    await answering;
    expect([question.value, answerText.value, prompt.value]).toEqual(["Hi", "Hello", "Sure?"]);
    await ask();
    expect(asked[1]).toEqual(["user: Hi", "assistant: Hello", "user: Sure?"]);
  });

  it("leaves alone what is being typed when an answer fails", async () => {
    const failing = [fails("device-lost")];
    answers = [failing];
    const answering = askFor("Hi");
    prompt.value = "something else";
    await answering;
    expect(state.value).toBe("error");
    expect(prompt.value).toBe("something else");
  });

  it("stops through the signal it gave the model", async () => {
    let given: AbortSignal | undefined;
    open.value = {
      ...open.value!,
      model: {
        ...open.value!.model,
        generate: (_ids: unknown, { signal }: { signal: AbortSignal }) => {
          given = signal;
          return Object.assign(say(["a"]), { finished: Promise.resolve(FINISH) });
        },
      } as unknown as LoopLM,
    };
    const answering = askFor("Hi");
    await vi.waitFor(() => expect(given).toBeDefined());
    stop();
    expect(given?.aborted).toBe(true);
    await answering;
  });
});
