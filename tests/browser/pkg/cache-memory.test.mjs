// What a load of a full-size model takes of the memory of the page and its Worker: 2.9 GB of weights in bfloat16, to four bits
// through the cache, and what its first tokens take. Takes minutes, 4 GB of memory for the weights on the CPU's GPU, and 1 GB of disk: only with
// LOOPLM_FULL_SIZE=1, or the path of a checkpoint such as tests/reference/full_size.py makes. LOOPLM_CURVE=FILE.png draws it.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { launchChromium } from "../chromium.mjs";
import { drawCurve } from "./memory-curve.mjs";
import { launchFirefox } from "../firefox.mjs";
import { FIREFOX } from "./browser.mjs";
import { memoryInChromium, memoryInFirefox } from "./page-memory.mjs";
import { folder, serveModel } from "./model-server.mjs";
import { serve } from "./server.mjs";
import { syntheticModel } from "./synthetic-model.mjs";

/** Those of Ouro-1.4B. */
const SHAPE = { vocab: 49152, hidden: 2048, intermediate: 5632, layers: 24, heads: 16, steps: 4 };
const PROMPT = [1, 100, 2000, 30000];
/** Bytes of JavaScript's heaps, buffers and wasm's memory, of the page and its Worker, over the idle page (page-memory.mjs). */
const LIMIT = 300e6;

const { LOOPLM_FULL_SIZE: wanted, LOOPLM_CURVE: curve } = process.env;
const skip = wanted === undefined && "set LOOPLM_FULL_SIZE=1 to run it";
const closing = [];
after(async () => {
  for (const close of closing.reverse()) await close();
});

test("a full-size model", { skip, timeout: 3_600_000 }, async (t) => {
  const server = await serve();
  closing.push(() => server.close());
  const models = await serveModel(wanted === "1" ? syntheticModel(SHAPE) : folder(wanted));
  closing.push(() => models.close());
  // A profile on the disk: without one the browser keeps the storage in memory.
  const profile = mkdtempSync(join(tmpdir(), "looplm-profile-"));
  closing.push(() => rmSync(profile, { recursive: true, force: true }));
  const context = await (FIREFOX ? launchFirefox : launchChromium)({ profile });
  closing.push(() => context.close());

  const runs = [];
  const answers = [];
  for (const round of ["first load", "from the cache"]) {
    const page = await context.newPage();
    await page.goto(`${server.origin}/`);
    await page.evaluate(() => import("/looplm/index.js"));
    const memory = await (FIREFOX ? memoryInFirefox(context) : memoryInChromium(context, page));
    const start = Date.now();
    const samples = [];
    const peaks = {};
    const ends = {};
    let phase = "download";
    page.on("console", (message) => (phase = message.type() === "log" ? message.text() : phase));
    let running = true;
    const watching = (async () => {
      while (running) {
        const bytes = await memory.bytes();
        const seconds = (Date.now() - start) / 1000;
        samples.push({ seconds, bytes });
        peaks[phase] = Math.max(peaks[phase] ?? 0, bytes);
        ends[phase] = seconds;
        await setTimeout(20);
      }
    })();
    const { warnings, ids } = await page.evaluate(loadAndAsk, { url: models.url, prompt: PROMPT });
    running = false;
    await watching;
    assert.equal(page.workers().length, 1, "the model is in a Worker");
    const wasm = await memory.wasm();
    await page.evaluate(() => window.model.dispose());
    const told = Object.entries(peaks).map(
      ([phase, bytes]) => `${phase} ${(bytes / 1e6).toFixed(0)} (until ${ends[phase].toFixed(1)} s)`,
    );
    t.diagnostic(
      `${round}: ${FIREFOX ? "memory" : `wasm ${(wasm / 1e6).toFixed(0)} MB; heap and buffers`}, MB over the idle page: ${told.join(", ")}; tokens ${ids}`,
    );
    runs.push({ round, samples, wasm });
    answers.push(ids);
    assert.deepEqual(warnings, []);
    assert.ok(ids.length > 0, "a token");
    const peak = wasm + Math.max(...Object.values(peaks));
    assert.ok(peak > 0 && peak <= LIMIT, `${peak} bytes`);
    await page.close();
  }
  assert.equal(models.requests.at(-1).range.join(), "0,0");
  assert.deepEqual(answers[1], answers[0], "what comes from the cache is the same model");
  if (curve === undefined) return;
  const artist = await launchChromium();
  closing.push(() => artist.close());
  await drawCurve(artist, runs, LIMIT, curve);
});

/** In the page; leaves the model there. */
async function loadAndAsk({ url, prompt }) {
  const { LoopLM } = await import("/looplm/index.js");
  let last;
  const model = await LoopLM.load(url, {
    format: "q4",
    contextLength: 128,
    onProgress: ({ phase }) => {
      if (phase !== last) console.log((last = phase));
    },
  });
  const { warnings } = model.info;
  console.log("tokens");
  const ids = [];
  const options = { maxNewTokens: 2, temperature: 0, exit: "full" };
  for await (const token of model.generate(Uint32Array.from(prompt), options)) ids.push(token.id);
  window.model = model;
  return { warnings, ids };
}
