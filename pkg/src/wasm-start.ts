import { createError, type LoopLMError } from "./errors.js";

/** A wasm module of the package, with what wasm-bindgen generates for it. */
export interface WasmFile<M> {
  /** Its name in this package; a bundler may give it another. */
  file: string;
  /** Where it is if nothing else is said. Not asked otherwise: a script may have an address that nothing is beside. */
  beside: () => URL;
  /** The option that says so. */
  option: string;
  init: (input: { module_or_path: Response }) => Promise<unknown>;
  module: M;
}

/** A loader that starts the module once a thread: later calls give the same one whatever their URL. A failure is not kept. */
export function wasmLoader<M>(wasm: WasmFile<M>): (wasmUrl?: string) => Promise<M> {
  let started: Promise<M> | undefined;
  return (wasmUrl) => {
    started ??= start(wasm, wasmUrl ?? wasm.beside().href).catch((error: unknown) => {
      started = undefined;
      throw error;
    });
    return started;
  };
}

async function start<M>(wasm: WasmFile<M>, url: string): Promise<M> {
  const { file, init, module } = wasm;
  const response = await fetchWasm(wasm, url);
  try {
    await init({ module_or_path: response });
  } catch (cause) {
    const message = `${url} could not be started as WebAssembly: ${String(cause)}. Is it the ${file} of this version, and does the page's Content-Security-Policy allow 'wasm-unsafe-eval'?`;
    throw createError("internal", message, { where: "wasm" }, { cause });
  }
  return module;
}

/** Fetched here, and not by the generated code, which would try to compile an error page. */
async function fetchWasm({ file, option }: WasmFile<unknown>, url: string): Promise<Response> {
  const failed = (what: string, status?: number, cause?: unknown): LoopLMError =>
    createError(
      "network",
      `${file} could not be loaded from ${url}: ${what}. Serve that file there, or say where it is with the option ${option}.`,
      { url, ...(status === undefined ? {} : { status }) },
      { cause },
    );
  let response: Response;
  try {
    response = await fetch(url);
  } catch (cause) {
    throw failed(String(cause), undefined, cause);
  }
  if (!response.ok) throw failed(`HTTP ${response.status}`, response.status);
  // Development servers answer a missing file with their start page.
  if (/^text\/html\b/i.test(response.headers.get("content-type") ?? "")) {
    throw failed("the answer is an HTML page", response.status);
  }
  return response;
}
