// The page with the test double of the engine, for what no test can load: models of gigabytes, and all that may go wrong.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";
import { fileURLToPath } from "node:url";
import { createServer } from "vite";
import { launchChromium } from "../chromium.mjs";

const WEB = fileURLToPath(new URL("../../../web", import.meta.url));

/** Nothing here computes: what takes longer than this hangs. */
const LIMIT_MS = 30_000;

/** A laptop whose GPU shares 16 GiB, whatever machine the test runs on. */
export const LAPTOP = { vendor: "apple", architecture: "metal-3", deviceMemory: 16, binding: 2 ** 30 };

/**
 * For the tests of a file: a development server in its mock mode and a browser. `open()` gives a visitor's page; the test
 * file fails if one had troubles of its own.
 */
export function useMockSite() {
  const site = { origin: "" };
  const troubles = [];
  let server;
  let browser;
  let cacheDir;
  before(async () => {
    // Of its own, so that servers beside each other do not take each other's prepared dependencies away.
    cacheDir = await mkdtemp(join(tmpdir(), "looplm-vite-"));
    server = await createServer({
      root: WEB,
      mode: "mock",
      cacheDir,
      logLevel: "error",
      server: { host: "127.0.0.1", port: 0, hmr: false, watch: null },
    });
    await server.listen();
    site.origin = `http://127.0.0.1:${server.httpServer.address().port}`;
    browser = await launchChromium();
    // The first visit prepares the dependencies, and may then load the page again.
    const page = await browser.newPage();
    await page.goto(`${site.origin}/#models`);
    await page.getByRole("heading", { name: "This machine" }).waitFor();
    await page.waitForLoadState("networkidle");
    await page.close();
  });
  after(async () => {
    await browser?.close();
    await server?.close();
    if (cacheDir !== undefined) await rm(cacheDir, { recursive: true, force: true });
    assert.deepEqual(troubles, [], "the page had troubles of its own");
  });

  /** `double`: what `loading-double.ts` is to do. `machine`: see `LAPTOP`. `room`: bytes the browser gives. */
  site.open = async ({ double = {}, machine = LAPTOP, room, hash = "#models", ...context } = {}) => {
    const visitor = await browser.newContext({ reducedMotion: "reduce", ...context });
    const page = await visitor.newPage();
    page.setDefaultTimeout(LIMIT_MS);
    page.on("pageerror", (error) => troubles.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error" && !message.text().startsWith("Failed to load resource"))
        troubles.push(message.text());
    });
    // The server would tell of changed files: there are none.
    await page.routeWebSocket(/./, () => undefined);
    await page.addInitScript(pretend, { double, machine, room });
    await page.goto(`${site.origin}/${hash}`);
    return page;
  };
  return site;
}

/** Runs in the page: makes it believe that it is on another machine. */
function pretend({ double, machine, room }) {
  globalThis.looplmDouble = double;
  const { binding, deviceMemory, mobile = false, ...info } = machine;
  const limits = { maxStorageBufferBindingSize: binding, maxBufferSize: 2 * binding };
  const define = (on, name, value) => Object.defineProperty(on, name, { value, configurable: true });
  define(navigator.gpu, "requestAdapter", async () => ({ limits, info }));
  define(navigator, "deviceMemory", deviceMemory);
  define(navigator, "userAgentData", { mobile });
  if (room !== undefined) define(navigator.storage, "estimate", async () => ({ quota: room, usage: 0 }));
}

/** The card of a model. */
export function card(page, title) {
  return page.getByTestId("offer").filter({ has: page.getByRole("heading", { name: title, exact: true }) });
}
