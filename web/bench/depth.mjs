// What depth per token pays in Chromium: full depth, early exits, verified early exits and answers side by side, on the
// shipped model that speaks (who is who), taking turns in one page. The same as `cargo xtask bench depth` natively.
//
//   cargo xtask build
//   node web/bench/depth.mjs [--model models/who-is-who] [--gate 0.5] [--people 8] [--rounds 3] [--gpu] [--json]
//
// Without --gpu WebGPU runs on the CPU (SwiftShader); with it on whatever GPU Chromium finds. Times are those of whole answers
// from the first token on; of answers side by side, from the beginning.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { launchChromium } from "../../tests/browser/chromium.mjs";
import { ROOT, serve } from "./serve.mjs";

const { values: options } = parseArgs({
  options: {
    model: { type: "string", default: "models/who-is-who" },
    gate: { type: "string", default: "0.5" },
    people: { type: "string", default: "8" },
    rounds: { type: "string", default: "3" },
    gpu: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});

for (const path of ["pkg/dist/index.js", `${options.model}/config.json`]) {
  if (!existsSync(join(ROOT, path))) {
    console.error(`there is no ${path}: cargo xtask build`);
    process.exit(1);
  }
}

const gate = Number(options.gate);
const MODES = {
  "full depth": { exit: "full", verify: false },
  "gate, leaves": { exit: { gate }, kv: "last-exited", verify: false },
  "gate, made up for": { exit: { gate }, verify: false },
  "gate, verified": { exit: { gate }, verify: "always" },
  "step 1, verified": { exit: { step: 1 }, verify: "always" },
  "nothing said": {},
};

const server = await serve();
const browser = await launchChromium({ gpu: options.gpu });
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(0);
  page.on("pageerror", (error) => console.error(String(error)));
  const origin = `http://localhost:${server.address().port}`;
  await page.goto(`${origin}/web/bench/index.html`);
  report(
    await page.evaluate(measure, [
      `${origin}/${options.model}/`,
      MODES,
      Number(options.people),
      Number(options.rounds),
    ]),
  );
} finally {
  await browser.close();
  server.close();
}

/** Runs in the page. */
async function measure([address, modes, people, rounds]) {
  const { LoopLM } = await import("looplm");
  const model = await LoopLM.load(address);
  const prompts = model.info.task.names.slice(0, people).map((name) => `about ${name} :`);
  const steps = model.info.architecture.steps;

  async function answer(prompt, mode) {
    const stream = model.generate(prompt, { temperature: 0, maxNewTokens: 20, ...mode });
    const ids = [];
    let started = performance.now();
    for await (const token of stream) {
      if (ids.length === 0) started = performance.now();
      ids.push(token.id);
    }
    return { ids, ms: performance.now() - started, finish: await stream.finished };
  }
  async function one(mode) {
    const answers = [];
    for (const prompt of prompts) answers.push(await answer(prompt, mode));
    return { answers, ms: answers.reduce((sum, { ms }) => sum + ms, 0) };
  }
  async function together(mode) {
    const started = performance.now();
    const answers = await Promise.all(prompts.map((prompt) => answer(prompt, mode)));
    return { answers, ms: performance.now() - started };
  }
  const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
  async function all(run, names) {
    const taken = Object.fromEntries(names.map((name) => [name, []]));
    for (const name of names) await run(modes[name]);
    for (let round = 0; round < rounds; round++) {
      for (const name of names) taken[name].push(await run(modes[name]));
    }
    const text = (turn) => JSON.stringify(turn.answers.map(({ ids }) => ids));
    const full = taken[names[0]];
    return names.map((name) => {
      const { answers } = taken[name][0];
      const tokens = answers.reduce((sum, { ids }) => sum + ids.length - 1, 0);
      const sum = (figure) => answers.reduce((total, { finish }) => total + finish[figure], 0);
      const prompt = sum("promptTokens") * steps;
      return {
        mode: name,
        tokensPerSecond: median(taken[name].map(({ ms }) => (1000 * tokens) / ms)),
        timesFull: median(taken[name].map(({ ms }, round) => full[round].ms / ms)),
        passesPerToken: (sum("passes") - sum("prefillPasses")) / tokens,
        rowsPerToken: (sum("rowSteps") - prompt) / tokens,
        sameAsFull: text(taken[name][0]) === text(full[0]),
      };
    });
  }
  const names = Object.keys(modes);
  const result = {
    adapter: model.info.adapter.name || model.info.adapter.vendor,
    oneByOne: await all(one, names),
    sideBySide: await all(together, names.slice(0, 4)),
  };
  await model.dispose();
  return result;
}

function report(result) {
  if (options.json) return console.log(JSON.stringify(result));
  console.log(`${result.adapter}, ${options.model}, q = ${gate}, ${options.people} answers`);
  const table = (title, rows) => {
    console.log(
      `\n${title}\n\n| mode | tokens/s | times full depth | passes a token | rows a token | same text |`,
    );
    console.log("|---|---:|---:|---:|---:|---|");
    for (const row of rows) {
      const figures = [row.tokensPerSecond.toFixed(0), row.timesFull, row.passesPerToken, row.rowsPerToken];
      const cells = figures.map((figure) => (typeof figure === "number" ? figure.toFixed(2) : figure));
      console.log(`| ${row.mode} | ${cells.join(" | ")} | ${row.sameAsFull ? "yes" : "no"} |`);
    }
  };
  table("One answer at a time", result.oneByOne);
  table("Side by side, prompts included", result.sideBySide);
}
