// The built page in a real Chromium, as a visitor gets it.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before } from "node:test";
import { fileURLToPath } from "node:url";
import { launchChromium } from "../chromium.mjs";
import { serve } from "../pkg/server.mjs";

const path = (relative) => fileURLToPath(new URL(`../../../${relative}`, import.meta.url));

export const SHIPPED_MODEL = path("models/shell-game");
export const WHO_IS_WHO = path("models/who-is-who");
export const FIXTURES = path("tests/fixtures");

/** What the shipped model's config says of its task. */
export const TASK = JSON.parse(readFileSync(join(SHIPPED_MODEL, "config.json"), "utf8")).looplm_task;

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const WIDE = { width: 1440, height: 900 };

/** The engine computes on the CPU here, beside other tests. */
const LIMIT_MS = 180_000;

/**
 * For the tests of a file: a server and a browser. `open()` gives a visitor's page that notes its troubles; the test
 * file fails if there are any. The page lies in a folder of its own, since it must not care where it is served.
 */
export function useSite({ webgpu = true } = {}) {
  const site = { origin: "" };
  const troubles = [];
  let server;
  let browser;
  before(async () => {
    assert.ok(existsSync(path("web/dist/index.html")), "web/dist is missing: run `cargo xtask build` first");
    server = await serve({ "/page/models/": path("models"), "/page/": path("web/dist") });
    site.origin = server.origin;
    browser = await launchChromium({ webgpu });
  });
  after(async () => {
    await browser?.close();
    await server?.close();
    assert.deepEqual(troubles, [], "the page had troubles of its own");
  });

  /** `context`: options of Playwright's newContext. `script`: runs in the page before anything else. `hash`: of the address. */
  site.open = async (context = {}, script = () => undefined, hash = "") => {
    // Animations would only make the tests wait; that they obey this setting is part of what is tested.
    const visitor = await browser.newContext({ reducedMotion: "reduce", ...context });
    const page = await visitor.newPage();
    page.setDefaultTimeout(LIMIT_MS);
    page.on("pageerror", (error) => troubles.push(String(error)));
    page.on("console", (message) => {
      // Chromium reports every 404 itself; tests ask for some.
      if (message.type() === "error" && !message.text().startsWith("Failed to load resource"))
        troubles.push(message.text());
    });
    await page.addInitScript(script);
    await page.goto(`${server.origin}/page/index.html${hash}`);
    return page;
  };

  // SwiftShader takes its time over a page's first answer, so tests that can share a page do.
  let shared;
  /** One page for all tests of a file, each time as a visitor finds it: the example answered, and nothing touched. */
  site.shared = async () => {
    if (shared === undefined) {
      shared = await site.open({ viewport: WIDE }, countEngineCalls);
      await answered(shared);
      return shared;
    }
    await shared.setViewportSize(WIDE);
    await shared.emulateMedia({ colorScheme: "light" });
    await shared.mouse.move(0, 0);
    await ask(shared, TASK.example);
    await shared.getByRole("radio", { name: "4" }).check();
    await slide(shared, "Exit threshold q", 0.8);
    await answered(shared);
    return shared;
  };
  return site;
}

/** Counts in the page what it asks of the engine, which lives in a Worker. */
function countEngineCalls() {
  globalThis.engineCalls = 0;
  const post = Worker.prototype.postMessage;
  Worker.prototype.postMessage = function (...message) {
    globalThis.engineCalls++;
    return post.apply(this, message);
  };
}

/** What axe finds wrong, one line each. `least`: rules that it has to find kept, lest it looked at nothing. */
export async function complaints(page, least = 20) {
  await page.evaluate(axe);
  const found = await page.evaluate(() =>
    globalThis.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"] }),
  );
  assert.ok(found.passes.length > least, "axe has looked");
  return found.violations.flatMap(({ id, nodes }) =>
    nodes.map((node) => `${id}: ${node.target.join(" ")}: ${node.failureSummary}`),
  );
}

/** Types moves, asks, and waits for the answer about these moves. */
export async function ask(page, moves) {
  await page.getByRole("textbox", { name: /moves/i }).fill(moves);
  await page.getByRole("button", { name: "Ask" }).click();
  await page.waitForFunction((expected) => {
    const shown = [...document.querySelectorAll(".column-head .token")].map((token) => token.textContent);
    const { state } = document.querySelector('[data-testid="answer"]').dataset;
    return state === "done" && shown.join(" ") === expected;
  }, moves);
}

/** Waits until the page has answered what it was asked. */
export async function answered(page) {
  const answer = page.locator(
    '[data-testid="answer"][data-state="done"], [data-testid="answer"][data-state="error"]',
  );
  // Attached, not visible: an answer stopped before its first token is empty.
  await answer.waitFor({ state: "attached" });
  assert.equal(await answer.getAttribute("data-state"), "done", await page.locator("main").innerText());
  return answer;
}

/** The step each shown token left at. */
export async function exitSteps(page) {
  return JSON.parse(await page.getByTestId("answer").getAttribute("data-exit-steps"));
}

/** The cell of the exit view at a column (from 0) and a step (from 1). */
export function cell(page, column, step) {
  return page.locator(`[role="gridcell"][data-column="${column}"][data-step="${step}"]`);
}

/** Moves a slider to a value, as the keys and the mouse do: by an input event. */
export async function slide(page, name, value) {
  await page.getByRole("slider", { name }).fill(String(value));
}
