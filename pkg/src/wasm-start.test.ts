import { afterEach, beforeEach, expect, test, vi } from "vitest";

afterEach(() => void vi.unstubAllGlobals());
// Every test is a thread of its own: the module is started once in each.
beforeEach(() => void vi.resetModules());

/** The modules' loaders, fresh, with the stand-in for the generated modules that they start. */
async function fresh() {
  const { default: init } = await import("./testing/wasm-glue.js");
  const { loadWasm } = await import("./wasm-module.js");
  const { loadChatWasm } = await import("./chat-module.js");
  const { loadTrainWasm } = await import("./trainer/wasm-module.js");
  init.mockReset();
  return { init, loadWasm, loadChatWasm, loadTrainWasm };
}

test("starts the module once, from beside the package or from where it is told", async () => {
  const fetched = vi.fn(async (_url: string) => new Response("wasm"));
  vi.stubGlobal("fetch", fetched);
  const { init, loadWasm } = await fresh();
  const [a, b] = await Promise.all([loadWasm(), loadWasm("http://cdn.test/x.wasm")]);
  expect(a).toBe(b);
  expect(init).toHaveBeenCalledOnce();
  expect(fetched.mock.calls.map(([url]) => url)).toEqual([expect.stringMatching(/\/wasm\/looplm_bg\.wasm$/)]);
});

test("what trains, and what runs chat templates, are other files, loaded when they are asked for", async () => {
  const fetched = vi.fn(async (_url: string) => new Response("wasm"));
  vi.stubGlobal("fetch", fetched);
  const { init, loadWasm, loadChatWasm, loadTrainWasm } = await fresh();
  expect(await loadWasm()).toHaveProperty("Model");
  expect(fetched).toHaveBeenCalledOnce();
  expect(await loadChatWasm()).toHaveProperty("chatPrompt");
  expect(fetched).toHaveBeenLastCalledWith(expect.stringMatching(/\/wasm\/looplm_chat_bg\.wasm$/));
  expect(await loadTrainWasm()).toHaveProperty("Trainer");
  expect(fetched).toHaveBeenLastCalledWith(expect.stringMatching(/\/wasm\/looplm_train_bg\.wasm$/));
  expect(init).toHaveBeenCalledTimes(3);
});

test.each([
  ["HTTP 404", async () => new Response("", { status: 404 })],
  ["Failed to fetch", () => Promise.reject(new TypeError("Failed to fetch"))],
  ["HTML page", async () => new Response("<!doctype html>", { headers: { "content-type": "text/html" } })],
])("a wasm file that is not there says so (%s), and may be tried again", async (what, answer) => {
  vi.stubGlobal("fetch", vi.fn(answer));
  const { init, loadWasm } = await fresh();
  const failing = loadWasm("http://cdn.test/x.wasm");
  await expect(failing).rejects.toMatchObject({
    code: "network",
    details: { url: "http://cdn.test/x.wasm" },
  });
  await expect(failing).rejects.toThrow(what);
  await expect(failing).rejects.toThrow("wasmUrl");
  expect(init).not.toHaveBeenCalled();
  vi.stubGlobal("fetch", async () => new Response("wasm"));
  await loadWasm("http://cdn.test/x.wasm");
  expect(init).toHaveBeenCalledOnce();
});

test("an error names the file of its module, and the option that says where it is", async () => {
  vi.stubGlobal("fetch", async () => new Response("", { status: 404 }));
  const { loadWasm, loadChatWasm, loadTrainWasm } = await fresh();
  await expect(loadWasm("http://cdn.test/")).rejects.toThrow(/^looplm_bg\.wasm .* wasmUrl/);
  await expect(loadChatWasm("http://cdn.test/")).rejects.toThrow(/^looplm_chat_bg\.wasm .* chatWasmUrl/);
  await expect(loadTrainWasm("http://cdn.test/")).rejects.toThrow(/^looplm_train_bg\.wasm .* wasmUrl/);
});

test("a file that is no wasm of this package is an internal error with a hint", async () => {
  vi.stubGlobal("fetch", async () => new Response("wasm"));
  const { init, loadWasm } = await fresh();
  init.mockRejectedValueOnce(new WebAssembly.CompileError("expected magic word"));
  const failing = loadWasm("http://cdn.test/x.wasm");
  await expect(failing).rejects.toMatchObject({ code: "internal", details: { where: "wasm" } });
  await expect(failing).rejects.toThrow(/expected magic word.*Content-Security-Policy/);
});
