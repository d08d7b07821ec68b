/**
 * A test double of the `looplm` package, for working on the page's looks where no engine is built (`vite --mode mock`).
 * It really tracks the cups and looks up who is who; how soon it is right, and everything about its gate, is made up.
 * Never part of a build.
 */
import type {
  ChatPromptOptions,
  Finish,
  ForwardOptions,
  ForwardResult,
  GeneratedToken,
  GenerateOptions,
  LoadOptions,
  ModelInfo,
  StepTrace,
} from "looplm";
import { type Move, label, track } from "../model/shuffle.ts";
import { play } from "./depth-double.ts";
import { cached, canBeLost, evict, playLoading, warnings } from "./loading-double.ts";
import { completion, WHO_NAMES, WHO_WORDS, whoIds } from "./who-double.ts";
import { WHO_TASK } from "./who-fixtures.ts";

export { Trainer } from "./trainer-double.ts";

const MOVES: Record<string, Move> = {
  stay: [0, 1, 2],
  swap12: [1, 0, 2],
  swap23: [0, 2, 1],
  swap13: [2, 1, 0],
  left: [1, 2, 0],
  right: [2, 0, 1],
};
const ARRANGEMENTS = ["123", "132", "213", "231", "312", "321"];
const VOCABULARY = ["<unk>", "<bos>", ...Object.keys(MOVES), ...ARRANGEMENTS];
const SHUFFLE_TASK = {
  kind: "track-the-shuffle",
  answers: "every-position",
  moves: MOVES,
  max_moves: 16,
  example: "swap12 left swap23 right swap13 swap12 left swap23 left swap12 swap23 swap13 right swap12",
};

/** Which model the double plays. */
type Role = "shuffle" | "who" | "chat";
const TASKS: Record<Role, ModelInfo["task"]> = { shuffle: SHUFFLE_TASK, who: WHO_TASK, chat: null };
const STORY =
  "A loop is a way to think twice with the same small mind . The first pass guesses , the second doubts , the third decides , and the fourth is mostly for the hard words .";

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

function stopIfAsked(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw Object.assign(new Error("stopped"), { code: "aborted", details: {} });
}

/** Deterministic noise in 0..1. */
function noise(...seeds: number[]): number {
  const x = Math.sin(seeds.reduce((sum, s, i) => sum + (s + 1) * (i * 78.233 + 12.9898), 0)) * 43758.5453;
  return x - Math.floor(x);
}

function trace(answer: string, choices: readonly string[], difficulty: number, steps: number, seed: number) {
  const out: StepTrace[] = [];
  let survive = 1;
  for (let t = 1; t <= steps; t++) {
    const sure = sigmoid((t - difficulty) * 3.2 + 0.8 - noise(seed, t));
    const others = choices.filter((c) => c !== answer);
    const rest = others.map((_, i) => noise(seed, t, i) ** 2 + 0.02);
    const sum = rest.reduce((a, b) => a + b, 0);
    const correct = 1 / choices.length + (1 - 1 / choices.length) * sure;
    const all = [
      { text: answer, probability: correct },
      ...others.map((text, i) => ({ text, probability: ((1 - correct) * rest[i]!) / sum })),
    ].map((c) => ({ id: VOCABULARY.indexOf(c.text), ...c }));
    const lambda = 0.06 + 0.7 * sure;
    out.push({
      lambda,
      probability: t === steps ? survive : survive * lambda,
      entropy: -all.reduce((h, c) => h + c.probability * Math.log(c.probability), 0),
      change: t === 1 ? 1.1 : 0.9 / t + 0.3 * (1 - sure),
      top: all.sort((a, b) => b.probability - a.probability).slice(0, 5),
    });
    survive *= 1 - lambda;
  }
  return out;
}

/** Ids for the words of steps: what is no word of the shuffle has none of its own. */
function named(steps: StepTrace[]): StepTrace[] {
  const id = (text: string) => [...text].reduce((sum, c) => (sum * 31 + c.codePointAt(0)!) % 9973, 7);
  return steps.map((step) => ({ ...step, top: step.top?.map((c) => ({ ...c, id: id(c.text) })) ?? [] }));
}

export class LoopLM extends EventTarget {
  readonly info: ModelInfo;

  private constructor(
    private readonly role: Role,
    warnings: string[],
    format: ModelInfo["format"],
  ) {
    super();
    canBeLost(this);
    this.info = {
      architecture: {
        modelType: "ouro",
        vocabSize: VOCABULARY.length,
        hiddenSize: 64,
        intermediateSize: 192,
        layers: 1,
        heads: 2,
        kvHeads: 2,
        headDim: 32,
        steps: 4,
        maxPositions: 64,
        tiedHead: false,
        ropeTheta: 10000,
        rmsNormEps: 1e-6,
        parameters: 55_104,
      },
      memory: { weights: 220_416, kvPer1000Tokens: { full: 2_048_000, shared: 512_000 }, workspace: 1 << 20 },
      tokenizer: { vocabSize: VOCABULARY.length, chatTemplate: role === "chat", stopIds: [] },
      adapter: {
        name: "test double",
        vendor: "nobody",
        backend: "none",
        tier: "baseline",
        limits: { maxStorageBufferBindingSize: 1 << 27, maxBufferSize: 1 << 28 },
      },
      contextLength: 64,
      format,
      tuning: { lanes: 64, outputsOfOne: 1 },
      warnings,
      task: TASKS[role],
    };
  }

  static async load(source: string | URL | Iterable<File>, options: LoadOptions = {}): Promise<LoopLM> {
    const url = typeof source === "string" || source instanceof URL ? String(source) : "";
    await playLoading(url, options);
    if (url.includes("missing"))
      throw Object.assign(new Error("status 404"), { code: "network", details: { url, status: 404 } });
    const role = /chat|Ouro/.test(url) ? "chat" : url.includes("who") ? "who" : "shuffle";
    return new LoopLM(role, warnings(), options.format ?? "stored");
  }

  static readonly cached = cached;
  static readonly evict = evict;

  async tokenize(text: string): Promise<Uint32Array> {
    if (this.role === "who") return Uint32Array.from(whoIds(text.trim()));
    const words = text.trim().toLowerCase().split(/\s+/);
    const ids =
      this.role === "chat" ? words.map((_, i) => i) : [1, ...words.map((w) => VOCABULARY.indexOf(w))];
    return Uint32Array.from(ids);
  }

  /** Whether the last prompt began a thought. */
  private thinks = false;

  async chatPrompt(
    messages: readonly { content: string }[],
    options: ChatPromptOptions = {},
  ): Promise<string> {
    this.thinks = options.enableThinking === true;
    return [...messages.map((m) => m.content), this.thinks ? "<think>" : "so"].join(" ");
  }

  async forward(ids: Uint32Array, options: ForwardOptions = {}): Promise<ForwardResult> {
    const steps = options.steps ?? 4;
    await pause(40);
    const vocabulary = this.role === "who" ? WHO_WORDS : VOCABULARY;
    const words = [...ids].map((id) => vocabulary[id] ?? `w${id}`);
    const states = track(words.map((w) => MOVES[w]).filter((m) => m !== undefined));
    const offset = words.length - (states.length - 1);
    const positions = words.map((text, i) => {
      const n = Math.max(i + 1 - offset, 1);
      if (this.role === "who") {
        const given = words[i + 1];
        const next = given === undefined ? completion([...ids])[0]! : { text: given, difficulty: 0.4 };
        const seed = i + ids.reduce((sum, id) => sum + id, 0);
        const choices = [next.text, ...WHO_NAMES];
        return { id: ids[i]!, text, steps: trace(next.text, choices, next.difficulty, steps, seed) };
      }
      const chatty = this.role === "chat";
      const answer = chatty ? `w${i + 1}` : label(states[i + 1 - offset] ?? states[0]!);
      const choices = chatty ? [answer, "the", "a", "of", "to"] : ARRANGEMENTS;
      return { id: ids[i]!, text, steps: trace(answer, choices, 1 + Math.log2(n) * 0.85, steps, i) };
    });
    return {
      ids,
      steps,
      exitLambda: new Float32Array(),
      exitPdf: new Float32Array(),
      exitSteps: positions.map(() => steps),
      positions,
    };
  }

  chat(_messages: unknown, options: GenerateOptions = {}) {
    return this.generate("", options);
  }

  generate(prompt: unknown, options: GenerateOptions = {}) {
    const said =
      this.role === "who"
        ? completion([...(prompt as Uint32Array)])
        : (this.thinks ? STORY.replace(". ", ". </think> ") : STORY)
            .split(" ")
            .map((text, i) => ({ text, difficulty: 0.6 + 3.4 * noise(i, 7) }));
    const others = this.role === "who" ? WHO_NAMES : ["the", "a", "of", "to"];
    const traces = said.slice(0, options.maxNewTokens ?? 40).map(({ text: word, difficulty }, i) => {
      const choices = [word, ...others].map((w) => ` ${w}`);
      return named(trace(` ${word}`, choices, difficulty, options.steps ?? 4, i));
    });
    const length = prompt instanceof Uint32Array ? prompt.length : 6;
    const { tokens, finish } = play(traces, options, { prompt: length, kvBytes: 512 });
    const started = performance.now();
    let settle = (_: Finish) => {};
    const finished = new Promise<Finish>((resolve) => (settle = resolve));
    const end = (reason: Finish["reason"], newTokens: number) =>
      settle({ ...finish, reason, newTokens, seconds: (performance.now() - started) / 1000 });
    async function* run(): AsyncGenerator<GeneratedToken, undefined> {
      let passes = 0;
      for (const [i, played] of tokens.entries()) {
        await pause(15 * (i === 0 ? 4 : played.passes - passes));
        passes = played.passes;
        if (options.signal?.aborted) end("aborted", i);
        stopIfAsked(options.signal);
        yield played.token;
      }
      end("stop", tokens.length);
      return undefined;
    }
    return Object.assign(run(), { finished });
  }

  async dispose(): Promise<void> {}
}
