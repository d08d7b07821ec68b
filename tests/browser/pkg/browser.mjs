// A real browser with WebGPU on the CPU, and a page that can import the built package: a Chromium or, where LOOPLM_BROWSER is
// "firefox", a Firefox, whose pages are another library's and are asked only for what both have.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { freemem, totalmem } from "node:os";
import { after, before } from "node:test";
import { fileURLToPath } from "node:url";
import { launchChromium } from "../chromium.mjs";
import { launchFirefox } from "../firefox.mjs";
import { serve } from "./server.mjs";

export const FIREFOX = process.env.LOOPLM_BROWSER === "firefox";

/**
 * For the tests of a file: a server, a browser and an empty page in it, as `origin` and `page` of the returned object;
 * `newContext()` opens a window that shares no storage with others, `asked` lists the paths that the server was asked for. Without `webgpu` the browser has no adapter, as on a machine
 * without a GPU. `folders`: see server.mjs.
 */
export function usePage({ webgpu = true, folders } = {}) {
  const opened = {};
  let server;
  let browser;
  let ending = false;
  before(async () => {
    for (const file of ["looplm_bg.wasm", "looplm_chat_bg.wasm", "looplm_train_bg.wasm"]) {
      const wasm = fileURLToPath(new URL(`../../../pkg/dist/wasm/${file}`, import.meta.url));
      assert.ok(existsSync(wasm), `pkg/dist/wasm/${file} is missing: run \`cargo xtask build\` first`);
    }
    server = await serve(folders);
    browser = await (FIREFOX ? launchFirefox : launchChromium)({ webgpu });
    opened.newContext = () => (FIREFOX ? browser.createBrowserContext() : browser.newContext());
    opened.origin = server.origin;
    opened.asked = server.asked;
    opened.page = await browser.newPage();
    // What a test then hears is only that its page is closed.
    opened.page.on("crash", () => console.error(`the page's process crashed; ${memoryLeft()}`));
    browser.on("disconnected", () => ending || console.error(`the browser is gone; ${memoryLeft()}`));
    await opened.page.goto(`${server.origin}/`);
  });
  after(async () => {
    ending = true;
    await browser?.close();
    await server?.close();
  });
  return opened;
}

/** For whoever looks for the reason afterwards. */
function memoryLeft() {
  return `${Math.round(freemem() / 2 ** 20)} of ${Math.round(totalmem() / 2 ** 20)} MiB of this machine's memory were free`;
}

/** What `run` throws in the page, as { name, code, message, details }; fails if it does not throw. */
export async function thrownBy(page, run, argument) {
  const outcome = await page.evaluate(
    async ([source, argument]) => {
      try {
        return { value: await (0, eval)(`(${source})`)(argument) };
      } catch (error) {
        const { name, code, message, details } = error;
        return { error: { name, code, message, details } };
      }
    },
    [run.toString(), argument],
  );
  assert.ok(outcome.error, `nothing was thrown; the value was ${JSON.stringify(outcome.value)}`);
  return outcome.error;
}

/**
 * Waits until the page has `most` Workers or fewer. The browser tells of an end later than it happens, and much later where it
 * compiles shaders on a busy CPU.
 */
export async function noWorkerLeft(page, most = 0) {
  for (let waited = 0; page.workers().length > most; waited += 20) {
    assert.ok(waited < 30_000, `${page.workers().length} Workers are left`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
