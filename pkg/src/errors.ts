/** The widest format and the longest context that would fit; what is absent can stay as it is. */
export interface Suggestion {
  format?: "f16" | "q8" | "q4";
  contextLength?: number;
}

/** What each `code` tells beyond its message. */
export interface ErrorDetails {
  /** This browser or machine offers no WebGPU. */
  "webgpu-unavailable": { reason?: string };
  /** The GPU has WebGPU, but a limit is too low for this model. */
  "adapter-too-small": { limit?: string; needed?: number; offered?: number };
  /**
   * The GPU could not give the memory: `needed` more bytes, where `available` are known to be there for the model (the
   * `memoryLimit`, or what the GPU had given by then). `suggestion`: options to load with that fit, both together.
   */
  "out-of-memory": { needed?: number; available?: number; suggestion?: Suggestion };
  /** The GPU went away: driver reset, sleep, the browser took it back, or the Worker died that had it. */
  "device-lost": { reason?: string };
  /** The folder is no model this engine can run. */
  "checkpoint-invalid": {
    kind?: string;
    file?: string;
    tensor?: string;
    field?: string;
    expected?: unknown;
    found?: unknown;
  };
  /** tokenizer.json or the chat template cannot be used. */
  "tokenizer-invalid": { file?: string };
  /** The folder has no tokenizer.json; use token ids. */
  "tokenizer-missing": Record<string, never>;
  /** The tokenizer has no chat template; use `generate`. */
  "chat-template-missing": Record<string, never>;
  /** The sequence has grown to the model's or the memory's limit (both in tokens). */
  "context-full": { limit?: number; needed?: number };
  /** As many answers are in progress as the engine takes (`offered`), or a model to be evicted is being loaded. */
  busy: { offered?: number };
  /** A signal ended it. */
  aborted: Record<string, never>;
  /** A file could not be fetched or read. */
  network: { url?: string; status?: number; received?: number; size?: number };
  /** A training configuration that cannot be run: which field, what it should be, what it is. */
  "config-invalid": { field?: string; expected?: unknown; found?: unknown; suggestion?: string };
  /** Training met a number that is none (`update`), and kept the checkpoint of before, if there is one. */
  "non-finite": { update?: number; checkpoint?: number };
  /** A call that cannot be right. */
  "invalid-argument": { argument?: string };
  /** `dispose()` was called. */
  disposed: Record<string, never>;
  /** A defect of this package, or a Worker that died while it loaded or trained. */
  internal: { where?: string };
}

/** Which kind of trouble: stable, for programs. */
export type ErrorCode = keyof ErrorDetails;

/** Every error this package throws. `code` says which kind, `details` what was found, `message` what to do. */
export class LoopLMError<C extends ErrorCode = ErrorCode> extends Error {
  /** The kind. */
  readonly code: C;
  /** What was found, by kind. */
  readonly details: ErrorDetails[C];

  constructor(code: C, message: string, details: ErrorDetails[C], options?: ErrorOptions) {
    super(message, options);
    this.name = "LoopLMError";
    this.code = code;
    this.details = details;
  }
}

/** `webgpu-unavailable`: this browser or machine offers no WebGPU; the message says how to get it. */
export class WebGPUUnavailableError extends LoopLMError<"webgpu-unavailable"> {
  override readonly name = "WebGPUUnavailableError";
}
/** `adapter-too-small`: a limit of this GPU is too low for this model. */
export class AdapterTooSmallError extends LoopLMError<"adapter-too-small"> {
  override readonly name = "AdapterTooSmallError";
}
/** `out-of-memory`: the GPU could not give the memory. */
export class OutOfMemoryError extends LoopLMError<"out-of-memory"> {
  override readonly name = "OutOfMemoryError";
}
/** `device-lost`: the GPU went away; load the model again. */
export class DeviceLostError extends LoopLMError<"device-lost"> {
  override readonly name = "DeviceLostError";
}
/** `checkpoint-invalid`: the folder is no model this engine can run. */
export class CheckpointError extends LoopLMError<"checkpoint-invalid"> {
  override readonly name = "CheckpointError";
}
/** `tokenizer-invalid`, `tokenizer-missing`, `chat-template-missing`. */
export class TokenizerError extends LoopLMError<
  "tokenizer-invalid" | "tokenizer-missing" | "chat-template-missing"
> {
  override readonly name = "TokenizerError";
}
/** `context-full`: the sequence has grown to its limit. */
export class ContextFullError extends LoopLMError<"context-full"> {
  override readonly name = "ContextFullError";
}
/**
 * `busy`: so many answers are in progress that `forward` finds no place beside them (another answer waits instead), or a
 * model that is to be evicted is being loaded.
 */
export class BusyError extends LoopLMError<"busy"> {
  override readonly name = "BusyError";
}
/** `aborted`: a signal ended it. Its `name` is `AbortError`, as the platform's own. */
export class AbortedError extends LoopLMError<"aborted"> {
  override readonly name = "AbortError";
}
/** `network`: a file could not be fetched or read. */
export class NetworkError extends LoopLMError<"network"> {
  override readonly name = "NetworkError";
}
/** `config-invalid`: a training configuration that cannot be run; `details.field` says where. */
export class ConfigError extends LoopLMError<"config-invalid"> {
  override readonly name = "ConfigError";
}
/** `non-finite`: training met a number that is none. */
export class NonFiniteError extends LoopLMError<"non-finite"> {
  override readonly name = "NonFiniteError";
}
/** `invalid-argument`: a call that cannot be right. */
export class InvalidArgumentError extends LoopLMError<"invalid-argument"> {
  override readonly name = "InvalidArgumentError";
}
/** `disposed`: the model was disposed. */
export class DisposedError extends LoopLMError<"disposed"> {
  override readonly name = "DisposedError";
}
/** `internal`: a defect of this package, or a Worker that died while it loaded or trained. */
export class InternalError extends LoopLMError<"internal"> {
  override readonly name = "InternalError";
}

type ErrorClass<C extends ErrorCode> = new (
  code: C,
  message: string,
  details: ErrorDetails[C],
  options?: ErrorOptions,
) => LoopLMError;

const CLASSES: { [C in ErrorCode]: ErrorClass<C> } = {
  "webgpu-unavailable": WebGPUUnavailableError,
  "adapter-too-small": AdapterTooSmallError,
  "out-of-memory": OutOfMemoryError,
  "device-lost": DeviceLostError,
  "checkpoint-invalid": CheckpointError,
  "tokenizer-invalid": TokenizerError,
  "tokenizer-missing": TokenizerError,
  "chat-template-missing": TokenizerError,
  "context-full": ContextFullError,
  busy: BusyError,
  aborted: AbortedError,
  network: NetworkError,
  "config-invalid": ConfigError,
  "non-finite": NonFiniteError,
  "invalid-argument": InvalidArgumentError,
  disposed: DisposedError,
  internal: InternalError,
};

/** An error of the class that belongs to `code`. */
export function createError<C extends ErrorCode>(
  code: C,
  message: string,
  details: ErrorDetails[C],
  options?: ErrorOptions,
): LoopLMError {
  return new CLASSES[code](code, message, details, options);
}

/** An error as it crosses from the Worker: structured cloning keeps neither classes nor `code`. */
export interface PlainError {
  code: ErrorCode;
  message: string;
  details: object;
  /** Where it was thrown on the other side. */
  stack?: string;
}

/** Whatever was thrown (here or in wasm) as one of this package's errors. */
export function toLoopLMError(thrown: unknown): LoopLMError {
  if (thrown instanceof LoopLMError) return thrown;
  const found = Object(thrown) as { code?: unknown; details?: unknown; message?: unknown; name?: unknown };
  const message = typeof found.message === "string" && found.message !== "" ? found.message : String(thrown);
  if (typeof found.code === "string" && Object.hasOwn(CLASSES, found.code)) {
    const details = typeof found.details === "object" && found.details !== null ? found.details : {};
    return createError(found.code as ErrorCode, message, details, { cause: thrown });
  }
  if (found.name === "AbortError") return createError("aborted", message, {}, { cause: thrown });
  return createError("internal", `the engine failed: ${message}`, {}, { cause: thrown });
}

/** The call's result, or what it threw as one of this package's errors. */
export async function wrap<R>(call: () => R | Promise<R>): Promise<R> {
  try {
    return await call();
  } catch (thrown) {
    throw toLoopLMError(thrown);
  }
}

/** For the message channel. */
export function errorToPlain(thrown: unknown): PlainError {
  const { code, message, details, stack } = toLoopLMError(thrown);
  return { code, message, details, ...(stack === undefined ? {} : { stack }) };
}

/** From the message channel. */
export function errorFromPlain(plain: PlainError): LoopLMError {
  const options = plain.stack === undefined ? undefined : { cause: plain.stack };
  return createError(plain.code, plain.message, plain.details, options);
}

/** What every aborted call throws. */
export function abortedError(what: string): LoopLMError {
  return createError("aborted", `${what} was stopped by its signal`, {});
}

/** What every call on a disposed model throws. */
export function disposedError(): LoopLMError {
  return createError("disposed", "this model was disposed; load it again to use it", {});
}
