// Stands where wasm-bindgen's generated modules are in the built package.
import { vi } from "vitest";

/** Starts the module. */
const init = vi.fn(async (_input: { module_or_path: Response }): Promise<void> => undefined);
export default init;

/** Never loaded: the tests of the engines bring their own. */
export const Model = {};
export const Conversion = {};
export const Trainer = {};
export const chatPrompt = (): string => "";
