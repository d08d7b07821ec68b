// Milliseconds of a training update in Chromium: looplm's Trainer against the same model in jax-js, taking turns in one run.
//
//   cargo xtask build && npm --prefix web/bench install
//   node web/bench/run.mjs [--size small]... [--updates 10] [--rounds 3] [--only looplm|jax-js] [--gpu] [--json]
//
// Without --gpu WebGPU runs on the CPU (SwiftShader), the same everywhere; with it on whatever GPU Chromium finds. On the CPU
// the processor time is the figure to compare: it holds on a machine that has other work, too.
// Sizes are those of tests/reference/bench_sizes.json, except that the vocabulary is the task's own.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { launchChromium } from "../../tests/browser/chromium.mjs";
import { ROOT, serve } from "./serve.mjs";

/** The group of the shuffle whose vocabulary comes nearest, and that vocabulary. */
const GROUPS = [
  { group: "s3", vocabulary: 14 },
  { group: "s5", vocabulary: 242 },
];

const { values: options } = parseArgs({
  options: {
    size: { type: "string", multiple: true },
    updates: { type: "string", default: "10" },
    rounds: { type: "string", default: "3" },
    only: { type: "string" },
    gpu: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});

const contestants = ["looplm", "jax-js"].filter((name) => !options.only || name === options.only);
const sizes = JSON.parse(readFileSync(join(ROOT, "tests/reference/bench_sizes.json"), "utf8"))
  .filter((size) => !options.size || options.size.includes(size.name))
  .map((size) => ({ ...size, ...(size.vocabulary <= 14 ? GROUPS[0] : GROUPS[1]) }));

const needs = { looplm: "pkg/dist/index.js", "jax-js": "web/bench/node_modules/@jax-js/jax" };
for (const name of contestants) {
  const path = needs[name];
  if (!existsSync(join(ROOT, path))) {
    console.error(`there is no ${path}: cargo xtask build && npm --prefix web/bench install`);
    process.exit(1);
  }
}

const server = await serve();
const browser = await launchChromium({ gpu: options.gpu });
try {
  for (const size of sizes) report(size, await measure(size));
} finally {
  await browser.close();
  server.close();
}

/** Each contestant in a page of its own, so that one's memory is not the other's; they take turns. */
async function measure(size) {
  const rows = [];
  for (const name of contestants) {
    const page = await browser.newPage();
    page.setDefaultTimeout(0);
    page.on("pageerror", (error) => console.error(`${name}: ${error}`));
    await page.goto(`http://localhost:${server.address().port}/web/bench/index.html`);
    await page.waitForFunction(() => window.contestants);
    const row = { name, page, rounds: [] };
    row.first = await page.evaluate(
      async ([name, size]) => {
        const started = performance.now();
        window.contestant = await window.contestants[name](size);
        // The first updates compile kernels.
        await window.contestant.run(2);
        return { readyMs: performance.now() - started, parameters: window.contestant.parameters };
      },
      [name, size],
    );
    rows.push(row);
  }
  const updates = Number(options.updates);
  for (let round = 0; round < Number(options.rounds); round++) {
    for (const row of rows) {
      const before = processorMs();
      const result = await row.page.evaluate((n) => window.contestant.run(n), updates);
      row.rounds.push({ ...result, processorMs: (processorMs() - before) / updates });
    }
  }
  for (const { page } of rows) {
    await page.evaluate(() => window.contestant.dispose());
    await page.close();
  }
  return rows.map(({ name, first, rounds }) => ({
    size: size.name,
    name,
    parameters: first.parameters,
    readyMs: Math.round(first.readyMs),
    ms: rounds.map(({ ms }) => Number(ms.toFixed(2))),
    processorMs: rounds.map(({ processorMs }) => Math.round(processorMs)),
    loss: rounds.at(-1).loss,
  }));
}

function report(size, rows) {
  if (options.json) return rows.forEach((row) => console.log(JSON.stringify(row)));
  const { hidden, layers, steps, sequences, length, vocabulary } = size;
  console.log(
    `${size.name}: hidden ${hidden}, ${layers} layers, ${steps} steps, ${sequences} x ${length} tokens, vocabulary ${vocabulary}`,
  );
  for (const { name, parameters, readyMs, ms, processorMs, loss } of rows) {
    const rounds = `rounds: ${ms.join(", ")}`;
    const processor = options.gpu ? "" : `, ${median(processorMs)} ms of processor time`;
    console.log(
      `  ${name.padEnd(8)} ${median(ms)} ms an update (${rounds})${processor}; ${parameters} parameters, ` +
        `ready after ${(readyMs / 1000).toFixed(1)} s, loss ${loss.toFixed(3)}`,
    );
  }
}

function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}

/** Processor time so far of this program and all processes below it, the browser's; 0 where there is no /proc. */
function processorMs() {
  if (!existsSync("/proc/self/stat")) return 0;
  const stats = new Map();
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const text = readFileSync(`/proc/${pid}/stat`, "utf8");
      const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
      // Of proc(5): ppid, and utime with stime in hundredths of a second.
      stats.set(Number(pid), {
        parent: Number(fields[1]),
        ms: 10 * (Number(fields[11]) + Number(fields[12])),
      });
    } catch {
      // It ended meanwhile.
    }
  }
  const isOurs = (pid) => pid === process.pid || (stats.has(pid) && isOurs(stats.get(pid).parent));
  return [...stats].reduce((sum, [pid, { ms }]) => sum + (isOurs(pid) ? ms : 0), 0);
}
