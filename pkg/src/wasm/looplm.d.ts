// What the crate looplm-wasm exports, by hand, so that this package compiles before the wasm is built. At run time
// `./wasm/looplm.js` is wasm-bindgen's output (`cargo xtask build`). A browser test compares the two.
import type { ConversionFormat, ConversionPlan } from "../cache/converter.js";
import type {
  Finish,
  ForwardOptions,
  ForwardResult,
  GeneratedToken,
  GenerateOptions,
  LoadProgress,
  ModelInfo,
  Tuning,
} from "../types.js";

/** Loads and starts the module. May be called again; only the first call counts. */
export default function init(input: {
  module_or_path: string | URL | Request | Response | BufferSource;
}): Promise<unknown>;

/** What the wasm side reads a model's files through: one pass over each, front to back. */
export interface FileSource {
  /** Null where there is no such file. Other trouble rejects, with an Error whose `code` is "network" or "aborted". */
  open(path: string): Promise<FileStream | null>;
}

/** One file being read. */
export interface FileStream {
  /** Bytes, where that is known beforehand. */
  size: number | undefined;
  /** The next chunk, of any size, to be used before the next is asked for; null at the end. */
  read(): Promise<Uint8Array | null>;
  /** May be called at any time, also twice. */
  close(): void;
}

export interface LoadConfig {
  /** Converts while loading. Without it, the weights are held as stored. */
  format?: ConversionFormat;
  kvFormat?: "f16" | "f32" | "q8";
  contextLength?: number;
  maxRows?: number;
  maxBindingSize?: number;
  kvBytes?: number;
  memoryLimit?: number;
  /** Workgroups that were measured before; others may be measured now, for at most a second. */
  tunings?: Tunings;
}

/** Workgroups of the products of few rows, by adapter, shader and matrix. */
export type Tunings = Record<string, Tuning>;

export type GenerateConfig = Omit<GenerateOptions, "signal" | "stop" | "verify"> & {
  stop?: readonly string[];
  verify?: "auto" | "on" | "always" | "off";
  /** So many ids at the end of the prompt are the beginning of the answer. */
  answered?: number;
};
export type ForwardConfig = Omit<ForwardOptions, "signal">;

/** A chat template and what it needs, for looplm_chat. */
export interface ChatSource {
  template: string;
  bos_token: string;
  eos_token: string;
}

/** A planned conversion of a model's folder. */
export class Conversion {
  private constructor();
  static plan(source: FileSource, options: { format?: ConversionFormat }): Promise<Conversion>;
  check(config: LoadConfig): Promise<void>;
  describe(): ConversionPlan;
  head(file: number): Uint8Array<ArrayBuffer>;
  convert(piece: number, source: Uint8Array): Uint8Array<ArrayBuffer>;
  /** Gives the object's memory back. Not while a call on it runs, and no call after it. */
  free(): void;
}

export class Model {
  private constructor();
  static load(
    source: FileSource,
    options: LoadConfig,
    onProgress: (progress: LoadProgress) => void,
    signal: AbortSignal | undefined,
  ): Promise<Model>;
  info(): ModelInfo;
  /** What was given as `tunings`, and what was measured now. */
  tunings(): Tunings;
  tokenize(text: string, addSpecialTokens: boolean): Uint32Array;
  detokenize(ids: Uint32Array, skipSpecialTokens: boolean): string;
  tokenText(id: number): string;
  chatSource(): ChatSource;
  generate(ids: Uint32Array, options: GenerateConfig): Promise<Generation>;
  forward(ids: Uint32Array, options: ForwardConfig, signal: AbortSignal | undefined): Promise<ForwardResult>;
  /** Why the device was lost, `dispose` included. The object may be freed before that. */
  lost(): Promise<string>;
  dispose(): Promise<void>;
  /** Gives the object's memory back. Not while a call on it runs, and no call after it. */
  free(): void;
}

export class Generation {
  private constructor();
  next(signal: AbortSignal | undefined): Promise<GeneratedToken | undefined>;
  finish(): Finish;
  close(): void;
  /** Gives the object's memory back. Not while a call on it runs, and no call after it. */
  free(): void;
}
