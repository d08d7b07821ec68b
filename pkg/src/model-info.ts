import type { TokenId } from "./types.js";

/** The model's shape, from its config.json. */
export interface Architecture {
  /** `model_type` of config.json. */
  modelType: string;
  /** Tokens the head knows, V. */
  vocabSize: number;
  /** Width of the hidden state, D. */
  hiddenSize: number;
  /** Width inside the SwiGLU. */
  intermediateSize: number;
  /** Layers of the stack that is applied again and again. */
  layers: number;
  /** Query heads. */
  heads: number;
  /** Key/value heads; fewer than `heads` is grouped-query attention. */
  kvHeads: number;
  /** Width of one head. */
  headDim: number;
  /** Recurrent steps the model was trained with, T. */
  steps: number;
  /** Longest sequence the model was made for. */
  maxPositions: number;
  /** Whether the head is the embedding. */
  tiedHead: boolean;
  /** Base of the rotary embedding. */
  ropeTheta: number;
  /** Epsilon of the norms. */
  rmsNormEps: number;
  /** Stored parameters. */
  parameters: number;
}

/** GPU memory, in bytes. */
export interface MemoryInfo {
  /** Of the weights. */
  weights: number;
  /** Of keys and values, for each 1,000 tokens: of every step, or of one for all steps. */
  kvPer1000Tokens: { full: number; shared: number };
  /** Of everything else. */
  workspace: number;
}

/** The model's tokenizer. */
export interface TokenizerInfo {
  /** Tokens it knows. */
  vocabSize: number;
  /** Whether `chat` can be used. */
  chatTemplate: boolean;
  /** Tokens that end a generation. */
  stopIds: TokenId[];
}

/** The GPU in use. */
export interface AdapterInfo {
  /** As the browser names it; often not very telling. */
  name: string;
  /** The maker. */
  vendor: string;
  /** The graphics API underneath. */
  backend: string;
  /** Which kernels run: `baseline` needs no optional feature of WebGPU; `subgroups` makes sums with subgroup operations. */
  tier: "baseline" | "subgroups";
  /** Bytes. */
  limits: { maxStorageBufferBindingSize: number; maxBufferSize: number };
}

/** What a model was trained to do, where its config.json says so (`looplm_task`, verbatim). */
export interface TaskInfo {
  /** The task's name. */
  kind: string;
  /** Whatever else the task says of itself. */
  [field: string]: unknown;
}

/**
 * The workgroups of kernels, as they suit the adapter: of matrix products where nothing else is said. A GPU has others for
 * products of few rows with quantised matrices, as they suit each.
 */
export interface Tuning {
  /** Lanes that split the inputs of an output, where few rows are computed. */
  lanes: number;
  /** Teams of so many lanes in a workgroup. */
  teams?: number;
  /** Outputs of a team that computes one row. */
  outputsOfOne: number;
  /** Outputs of one that computes two to four rows. */
  outputsOfFew?: number;
  /** Rows of a workgroup that computes many. */
  tileRows?: number;
  /** Whether many rows are computed in blocks of 8 rows by 16 a lane, without workgroup memory. */
  blocks?: boolean;
  /** Keys that attention over a prompt holds in workgroup memory at a time. */
  tileKeys?: number;
  /** Lanes of one that goes over one row, as in norms, attention and sampling. */
  rowLanes?: number;
  /** Whether a lane takes 32 elements of a quantised row at once. */
  wide?: boolean;
  /** Whether products of few rows with quantised weights read their input by way of workgroup memory. */
  staged?: boolean;
  /** Whether those are computed in whole numbers. */
  packed?: boolean;
  /** Whether sums are made with subgroup operations, where the tier has them. */
  subgroups?: boolean;
}

/** Everything that stays as it is for the life of a model. */
export interface ModelInfo {
  /** Its shape. */
  architecture: Architecture;
  /** What the layers' weights are held as; "stored" for floats as the checkpoint has them. */
  format: "stored" | "f16" | "q8" | "q4";
  /** The workgroups that kernels compute in. */
  tuning: Tuning;
  /** What it takes of the GPU. */
  memory: MemoryInfo;
  /** Its tokenizer; null if the folder has none (ids still work). */
  tokenizer: TokenizerInfo | null;
  /** The GPU it runs on. */
  adapter: AdapterInfo;
  /** Most tokens a sequence may hold, prompt included. */
  contextLength: number;
  /** What it was trained to do, if it says. */
  task: TaskInfo | null;
  /** What is odd about the checkpoint but does no harm, and why it was not cached, a sentence each; usually none. */
  warnings: string[];
}
