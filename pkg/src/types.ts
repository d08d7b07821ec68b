import type { DeviceLostError } from "./errors.js";

export type * from "./model-info.js";

/** A token's id: its row in the embedding, from 0 up to (not including) `architecture.vocabSize`. */
export type TokenId = number;

/**
 * Where a model is: the address of a folder as Hugging Face lays it out, or the files of such a folder. A model on
 * huggingface.co is `"hf:organisation/name"`, `"hf:organisation/name@revision"`, or the address of its page.
 */
export type ModelSource = string | URL | Iterable<File>;

/** What to continue: text for the tokenizer (special tokens added), or token ids used as they are. */
export type Prompt = string | Uint32Array | readonly TokenId[];

/**
 * What the weights are held as: `"stored"` as the checkpoint has them; `"f16"` half precision; `"q8"` and `"q4"` 8 and 4
 * bits a weight, in blocks with a scale each, for the matrices of the layers, the embedding and the head.
 */
export type WeightFormat = "stored" | "f16" | "q8" | "q4";

/** Options of `LoopLM.load`. */
export interface LoadOptions {
  /** What to hold the weights as; converted while they are loaded, and once only where there is a cache. Default `"stored"`. */
  format?: WeightFormat | undefined;
  /**
   * What to hold keys and values as: `"f16"` takes half the memory of `"f32"`, and `"q8"`, coarser, half of that again; for
   * heads of a multiple of four elements. Default `"f16"`.
   */
  kv?: "f16" | "f32" | "q8" | undefined;
  /**
   * Keep the weights, converted, in this browser: the next load needs no download, and one that was broken off goes on
   * where it stopped. Default true for an address, false for Files. Where it cannot be (no room, no storage, a server
   * that does not tell one version of a file from another) the model loads without, and `info.warnings` says why.
   */
  cache?: boolean | undefined;
  /**
   * Sent with every request for the model's files, as `{ Authorization: "Bearer hf_..." }` for a private model of
   * huggingface.co; another origin must allow them (CORS). Kept in memory, for a model that is restored, and nowhere else.
   */
  headers?: HeadersInit | undefined;
  /** Told of every stage of loading, and of every chunk of weights. */
  onProgress?: ((progress: LoadProgress) => void) | undefined;
  /** Stops loading; `load` then throws `AbortedError`. */
  signal?: AbortSignal | undefined;
  /** Run the engine in a Worker, so that the page stays smooth. Default true. */
  worker?: boolean | undefined;
  /**
   * Where the Worker's script is (`looplm/worker.js`, with all that it imports), if not beside the package's own files.
   * Relative to the page. It may be of another origin, if its server allows that (CORS).
   */
  workerUrl?: string | URL | undefined;
  /** Where `looplm_bg.wasm` is, if not beside the package's own files. Relative to the page. */
  wasmUrl?: string | URL | undefined;
  /** The same of `looplm_chat_bg.wasm`, which is loaded when a conversation begins. */
  chatWasmUrl?: string | URL | undefined;
  /** Most tokens a sequence may hold, prompt included. Default and at most the model's own limit. */
  contextLength?: number | undefined;
  /** Most rows of one pass over the layers: longer prompts are prefilled in chunks of it. */
  maxRows?: number | undefined;
  /** Bytes. Lowers the adapter's `maxStorageBufferBindingSize`, to try how a smaller GPU would do. */
  maxBindingSize?: number | undefined;
  /**
   * Most bytes of keys and values, of all answers together: one for which there is no room yet waits, one that needs more
   * alone ends with `context-full`. Default: what the GPU's largest binding allows. Memory is taken as it is needed.
   */
  kvBytes?: number | undefined;
  /**
   * Most bytes of the GPU's memory that the model may take in all. What would exceed them is `out-of-memory`, as where the
   * GPU has no more: before the download where that can be known, and with `details.suggestion`. Default: no limit.
   */
  memoryLimit?: number | undefined;
  /**
   * When the GPU goes away, load the model anew from where it came and go on (events `"lost"` and `"restored"`). Default
   * true; false makes every call on the model reject with `device-lost` from then on.
   */
  restore?: boolean | undefined;
}

/** What the event `"lost"` tells. */
export interface LostDetail {
  /** What the browser said. */
  reason: string;
  /** Whether the model is being loaded anew; if not, every call rejects with `error`, and `dispose` is all that is left. */
  restoring: boolean;
  /** The `device-lost` that calls reject with where nothing is restored. */
  error: DeviceLostError;
}

/** What the event `"restored"` tells. */
export interface RestoredDetail {
  /** From the loss until the model was there again. */
  seconds: number;
}

/** The events of a `LoopLM`, by type. */
export interface LoopLMEventMap {
  /** The GPU went away. Comes a second time, with `restoring: false`, if it could not be restored. */
  lost: CustomEvent<LostDetail>;
  /** The model is there again; what was running goes on. */
  restored: CustomEvent<RestoredDetail>;
}

/** How far loading has come. */
export interface LoadProgress {
  /**
   * The stage. With a cache that does not have the whole model yet, `download` comes first: it fetches the weights,
   * converts them, and keeps them. Then, in this order, `adapter`; `config`, `tokenizer` and `weights`, which read the
   * model's files (from the cache where there is one, else over the network) and bring them to the GPU; `compile`; `ready`.
   */
  phase: "download" | "adapter" | "config" | "tokenizer" | "weights" | "compile" | "ready";
  /**
   * Bytes so far of what the phase goes through: of the download, those kept earlier included; of the weights. Phase
   * `compile`: the same as `done`.
   */
  loaded: number;
  /** Bytes in all; 0 while that is unknown. Phase `compile`: pipelines that loading waits for. */
  total: number;
  /**
   * Phase `compile`: pipelines compiled so far. The browser compiles them while the weights come, so that few or none may be
   * left when this phase is first told of.
   */
  done?: number | undefined;
  /** Phases `download` and `weights`: how fast it goes, as a moving average; absent while that is unknown. */
  bytesPerSecond?: number | undefined;
  /** Phases `download` and `weights`: what is left of them at that speed. */
  secondsLeft?: number | undefined;
  /** The file being read. */
  file?: string | undefined;
  /** The tensor being read. */
  tensor?: string | undefined;
}

/** A model that this browser keeps, for this origin. */
export interface CachedModel {
  /** What to give `LoopLM.load` and `LoopLM.evict`: its address, `"hf:..."` where it is from huggingface.co. */
  source: string;
  /** What its weights were converted to. */
  format: WeightFormat;
  /** Bytes it takes now. */
  bytes: number;
  /** Whether all of it is there. If not, the next load goes on from here. */
  complete: boolean;
  /** The part that is there, 0 to 1. */
  progress: number;
  /** When its download began. */
  created: Date;
  /** When it was last loaded, or when its download began. */
  lastUsed: Date;
}

/** Options of `LoopLM.evict`. */
export interface EvictOptions {
  /** Only what was converted to this. Default: whatever it was converted to. */
  format?: WeightFormat | undefined;
}

/**
 * When a token leaves the loop, steps counted from 1 (arXiv 2510.25741, section 3: the exit gate); at the last step if the
 * rule has not fired before. To ask `step`, `gate`, `gateDelayed`, `hidden` or `hiddenAbs` costs next to nothing.
 * `confidence`, `entropy` and `agree` run the head after every step they are asked about: about 8 % of a step of
 * Ouro-1.4B, and more where the vocabulary is large beside the hidden size.
 */
export type ExitRule =
  /** At the last step. */
  | "full"
  /** Always at this step, 1 up to `steps`. */
  | { step: number }
  /** At the first step whose cumulated exit probability reaches this threshold q, 0 < q <= 1; 1 is never early. */
  | { gate: number }
  /** At the step after the one that `gate` names. */
  | { gateDelayed: number }
  /** At the first step with ||h_t - h_(t-1)|| / ||h_(t-1)|| below this, h_t being the normed state. Above 0. */
  | { hidden: number }
  /** At the first step with ||h_t - h_(t-1)|| below this. Above 0. */
  | { hiddenAbs: number }
  /** At the first step whose best token has at least this probability p, 0 < p <= 1. */
  | { confidence: number }
  /** At the first step whose next-token distribution has at most this entropy, in nats. Above 0. */
  | { entropy: number }
  /** At the first step at which the best token has been the same for this many steps, itself included: 2 up to `steps`. */
  | { agree: number };

/**
 * What a generated token leaves in the KV cache for those after it; T recurrent steps. The prompt always takes all steps.
 * All but `"full"` change what later tokens find, which the model was not trained for.
 */
export type KvPolicy =
  /** The keys and values of every step. Steps that a token did not take are made up for when a later token needs them. */
  | "full"
  /** Those of the steps it took: a later token finds the last of them at every deeper step. */
  | "last-exited"
  /** Those of its last step, for all steps: 1/T of the memory. A token takes all steps, whatever the rule says. */
  | "last"
  /** The mean over its steps, for all steps: 1/T of the memory. A token takes all steps, whatever the rule says. */
  | "mean"
  /** Those of its first step, for all steps: 1/T of the memory. Known to break models. */
  | "first";

/** Asks for what every step thought of a token. */
export interface TraceOptions {
  /** How many best tokens of each step's head to report: a whole number from 1 to 16. */
  topK: number;
}

/** Options of `generate`. What is not given comes from the model's generation_config.json; where that is silent, from here. */
export interface GenerateOptions {
  /**
   * Most tokens to generate, at least 1: if the context is full before, that is an error. Default 256, or what is left of
   * the context if that is less.
   */
  maxNewTokens?: number | undefined;
  /** 0 is greedy (the default unless the model says to sample): the best token, always. Higher flattens the distribution. */
  temperature?: number | undefined;
  /** Sample among this many best tokens only; 0 (default) is all of them. */
  topK?: number | undefined;
  /** Sample among the fewest best tokens which together have this probability, 0 < p <= 1. Default 1. */
  topP?: number | undefined;
  /** Leave out tokens less probable than this share of the best one's probability, 0 to 1. Default 0. */
  minP?: number | undefined;
  /** Above 1 makes tokens already in the sequence less likely, below 1 more. Default 1. */
  repetitionPenalty?: number | undefined;
  /** Same seed, same adapter, same text. A whole number from 0 to 2^53 - 1. Default: another each time. */
  seed?: number | undefined;
  /** Recurrent steps, 1 to 8; default as trained (`info.architecture.steps`). More is extrapolation. */
  steps?: number | undefined;
  /** When a token leaves the loop. Default `"full"`. */
  exit?: ExitRule | undefined;
  /** Take at least this many steps, 1 up to `maxSteps`; what the gate says before still counts. Default 1. */
  minSteps?: number | undefined;
  /** Leave at this step whatever the rule says, 1 up to `steps`. Default `steps`. */
  maxSteps?: number | undefined;
  /** What tokens leave in the KV cache. Default `"full"`. */
  kv?: KvPolicy | undefined;
  /**
   * Whether an early exit only guesses the next token, which then begins while this one goes on to the last step. What that
   * step says is the token, and what was built on a wrong guess is taken back: so the text is that of full depth, greedy
   * and sampled, to the bit. Needs `kv: "full"`. With a `repetitionPenalty` nothing is guessed.
   *
   * - `"auto"` (default): where neither `exit`, `minSteps`, `maxSteps` nor `kv` asks for anything, the gate guesses if that
   *   is faster. Otherwise as false.
   * - true: the rule guesses (the gate, if `exit` is `"full"`), later than it says or not at all where that is faster.
   * - `"always"`: the rule guesses, whatever comes of it.
   * - false: the rule is final.
   */
  verify?: boolean | "auto" | "always" | undefined;
  /** Fill `timeline` of the `Finish`. */
  timeline?: boolean | undefined;
  /**
   * Go on where an answer before it ended that asked for this, too: of a prompt that begins with the same tokens, as in a
   * conversation, only the rest is computed (`cachedTokens` of the `Finish` says how much was not), so its first token comes sooner.
   * One sequence is kept, in memory that no other answer needs. What is kept was computed in other passes: where two tokens are as
   * good as equally likely, the same seed may then give another text. Default: true for `chat`, false for `generate`.
   */
  cachePrompt?: boolean | undefined;
  /** Text that ends the generation, or several; it does not become part of the output. */
  stop?: string | readonly string[] | undefined;
  /** Fill `entropy`, `change` and `top` of every token's steps. Costs a larger readback. */
  trace?: TraceOptions | undefined;
  /** Stops within one pass; the iteration then throws `AbortedError`. */
  signal?: AbortSignal | undefined;
}

/** One message of a conversation. */
export interface ChatMessage {
  /** Usually `"system"`, `"user"` or `"assistant"`; the model's chat template decides. */
  role: string;
  /** What was said. */
  content: string;
}

/** Options of `chatPrompt`. */
export interface ChatPromptOptions {
  /** End with the opening of the assistant's turn. Default true. */
  addGenerationPrompt?: boolean | undefined;
  /** Passed to the chat template as `enable_thinking`, where the template knows it. */
  enableThinking?: boolean | undefined;
}

/** Options of `chat`. */
export interface ChatOptions extends GenerateOptions {
  /** Passed to the chat template as `enable_thinking`, where the template knows it. */
  enableThinking?: boolean | undefined;
}

/** A token the head of some step thought likely. */
export interface Candidate {
  /** The token. */
  id: TokenId;
  /** The token as a person would read it. */
  text: string;
  /** Its softmax probability at that step. */
  probability: number;
}

/** What one recurrent step thought. */
export interface StepTrace {
  /** The exit gate's output: the probability of leaving here, given that no earlier step did. */
  lambda: number;
  /** The probability of leaving first at this step; the last step takes what remains. */
  probability: number;
  /** Entropy of this step's next-token distribution, in nats. With `trace` only. */
  entropy?: number;
  /** ||h_t - h_(t-1)|| / ||h_(t-1)||: how much this step changed the hidden state. With `trace` only. */
  change?: number;
  /** This step's best tokens, best first. With `trace` only. */
  top?: Candidate[];
}

/** One generated token. */
export interface GeneratedToken {
  /** The token. */
  id: TokenId;
  /** Text that became complete with this token; empty while a character is still incomplete. */
  text: string;
  /** Its place in the sequence, the prompt's first token being 0. */
  position: number;
  /** The step at which it left, from 1: its logits chose the token. With `verify` and a rule, as `draftStep`, or the last. */
  exitStep: number;
  /** With `verify` only: the step that guessed the token, from 1, if the guess was right. */
  draftStep?: number;
  /** What is guessed to come next, in order; it may yet be taken back. Empty where nothing is. */
  drafts: TokenId[];
  /** The probability of leaving at each step it took, `exitPdf[0]` being step 1. Sums to 1 if it took all steps. */
  exitPdf: number[];
  /** The steps it took, `steps[0]` being step 1: after an early exit that is final, fewer than there are. */
  steps: StepTrace[];
}

/** How often the guesses made at a step were right. */
export interface DraftCount {
  /** The step that guessed, from 1. */
  step: number;
  /** Guesses. */
  drafted: number;
  /** Those that the last step confirmed. */
  accepted: number;
}

/** One pass of an answer. */
export interface PassTrace {
  /** Which of its tokens, by their place in the sequence, took which step in the pass, from 1. */
  rows: { position: number; step: number }[];
  /** After the pass, what stood from this position on was taken back: it was built on a wrong guess. */
  discardedFrom?: number;
}

/** How a generation ended. */
export interface Finish {
  /** `stop`: a stop token or stop text; `length`: `maxNewTokens`; `aborted`: by a signal or by leaving the loop. */
  reason: "stop" | "length" | "aborted";
  /** Tokens of the prompt. */
  promptTokens: number;
  /** Those that did not have to be computed: see `cachePrompt`. */
  cachedTokens: number;
  /** Tokens generated. */
  newTokens: number;
  /** Passes over the layers that rows of it were in, the prompt's included. Answers of one model share passes. */
  passes: number;
  /** Those of the prompt. */
  prefillPasses: number;
  /** Rows computed, the prompt's included: one for each step of each token. */
  rowSteps: number;
  /** Guesses that the last step confirmed. */
  accepted: number;
  /** Rows computed for tokens that were taken back. */
  discarded: number;
  /** The guesses, by the step that made them; steps that made none are left out. */
  drafts: DraftCount[];
  /** Bytes of keys and values held at the end. */
  kvBytes: number;
  /** Every pass after the prompt's; empty unless asked for with `timeline`. */
  timeline: PassTrace[];
  /** Time spent in the engine. */
  seconds: number;
}

/** Options of `forward`. */
export interface ForwardOptions {
  /** Recurrent steps, 1 to 8; default as trained. */
  steps?: number | undefined;
  /** Read back the logits, [T, M, V]. Large: 4 * T * M * V bytes. */
  logits?: boolean | undefined;
  /** Read back the hidden states after the final norm, [T, M, D]. */
  hidden?: boolean | undefined;
  /** Fill `positions`. */
  trace?: TraceOptions | undefined;
  /** The threshold q for `exitSteps`, 0 < q <= 1. Default 1: the last step, always. */
  gate?: number | undefined;
  /** Stops within one pass; `forward` then throws `AbortedError`. */
  signal?: AbortSignal | undefined;
}

/** What every step thought at one position. */
export interface PositionTrace {
  /** The token at this position. */
  id: TokenId;
  /** The token as a person would read it. */
  text: string;
  /** Every step, `steps[0]` being step 1. */
  steps: StepTrace[];
}

/** Every step at every position. T steps, M positions, V vocabulary, D hidden size; row-major, f32. */
export interface ForwardResult {
  /** The input, M ids. */
  ids: Uint32Array;
  /** T. */
  steps: number;
  /** [T, M]: the gate's output. */
  exitLambda: Float32Array;
  /** [T, M]: the probability of leaving first at each step. */
  exitPdf: Float32Array;
  /** [T, M, V], if asked for. */
  logits?: Float32Array;
  /** [T, M, D], if asked for. */
  hidden?: Float32Array;
  /** M: the step, from 1, at which each position leaves at threshold `gate`. */
  exitSteps: number[];
  /** M, if `trace` was given. */
  positions?: PositionTrace[];
}
