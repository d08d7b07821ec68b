/**
 * Looped language models on WebGPU.
 * @module
 */
export {
  AbortedError,
  AdapterTooSmallError,
  BusyError,
  CheckpointError,
  ConfigError,
  ContextFullError,
  DeviceLostError,
  DisposedError,
  InternalError,
  InvalidArgumentError,
  LoopLMError,
  NetworkError,
  NonFiniteError,
  OutOfMemoryError,
  TokenizerError,
  WebGPUUnavailableError,
} from "./errors.js";
export type { ErrorCode, ErrorDetails, Suggestion } from "./errors.js";
export { LoopLM } from "./loop-lm.js";
export type { TokenStream } from "./token-stream.js";
export { Trainer } from "./trainer/trainer.js";
export type * from "./trainer/types.js";
export type * from "./types.js";
export { isWebGPUAvailable } from "./webgpu.js";
export type { WebGPUAvailability } from "./webgpu.js";
