import { createError, type LoopLMError } from "./errors.js";
import init, { Model, Trainer } from "./wasm/looplm.js";

/** What the engines use of the wasm module; tests give their own. */
export interface WasmModule {
  Model: Pick<typeof Model, "load">;
  Trainer: Pick<typeof Trainer, "create" | "presets">;
}

let started: Promise<WasmModule> | undefined;

/** Loads the module, once a thread: later calls give the same one whatever their URL. A failure is not kept. */
export function loadWasm(wasmUrl?: string): Promise<WasmModule> {
  started ??= start(wasmUrl ?? new URL("./wasm/looplm_bg.wasm", import.meta.url).href).catch(
    (error: unknown) => {
      started = undefined;
      throw error;
    },
  );
  return started;
}

async function start(url: string): Promise<WasmModule> {
  const response = await fetchWasm(url);
  try {
    await init({ module_or_path: response });
  } catch (cause) {
    const message = `${url} could not be started as WebAssembly: ${String(cause)}. Is it the looplm_bg.wasm of this version, and does the page's Content-Security-Policy allow 'wasm-unsafe-eval'?`;
    throw createError("internal", message, { where: "wasm" }, { cause });
  }
  return { Model, Trainer };
}

/** Fetched here, and not by the generated code, which would try to compile an error page. */
async function fetchWasm(url: string): Promise<Response> {
  const failed = (what: string, status?: number, cause?: unknown): LoopLMError =>
    createError(
      "network",
      `looplm_bg.wasm could not be loaded from ${url}: ${what}. Serve that file there, or say where it is with the option wasmUrl.`,
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
