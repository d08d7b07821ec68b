// What a load of a full-size model takes of the page's memory: 2.9 GB of weights in bfloat16, to four bits through the cache.
// Takes minutes, 4 GB of memory for the weights on the CPU's GPU, and 1 GB of disk: only with LOOPLM_FULL_SIZE=1.
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { launchChromium } from "../chromium.mjs";
import { serveModel } from "./model-server.mjs";
import { serve } from "./server.mjs";
import { syntheticModel } from "./synthetic-model.mjs";

/** Those of Ouro-1.4B. */
const SHAPE = { vocab: 49152, hidden: 2048, intermediate: 5632, layers: 24, heads: 16 };
/** Bytes over the idle page. */
const LIMIT = 300e6;

const skip = process.env.LOOPLM_FULL_SIZE === undefined && "set LOOPLM_FULL_SIZE=1 to run it";
const closing = [];
after(async () => {
  for (const close of closing.reverse()) await close();
});

/** Bytes that a process holds: heap, wasm memory, buffers, and what it shares with the network process. */
function memoryOf(pid) {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const field = (name) => 1024 * Number(new RegExp(`^${name}:\\s*(\\d+) kB`, "m").exec(status)[1]);
  return field("RssAnon") + field("RssShmem");
}

test("a full-size model", { skip, timeout: 3_600_000 }, async (t) => {
  const server = await serve();
  closing.push(() => server.close());
  const models = await serveModel(syntheticModel(SHAPE));
  closing.push(() => models.close());
  // A profile on the disk: without one the browser keeps the storage in memory.
  const profile = mkdtempSync(join(tmpdir(), "looplm-profile-"));
  closing.push(() => rmSync(profile, { recursive: true, force: true }));
  const context = await launchChromium({ profile });
  closing.push(() => context.close());
  const page = await context.newPage();
  await page.goto(`${server.origin}/`);
  await page.evaluate(() => import("/looplm/index.js"));
  const pid = rendererOf(profile);

  for (const round of ["first load", "from the cache"]) {
    const idle = memoryOf(pid);
    let peak = 0;
    const watching = setInterval(() => (peak = Math.max(peak, memoryOf(pid))), 50);
    const start = Date.now();
    const found = await page.evaluate(async (url) => {
      const { LoopLM } = await import("/looplm/index.js");
      const phases = {};
      const model = await LoopLM.load(url, {
        format: "q4",
        kv: "f16",
        contextLength: 128,
        onProgress: ({ phase }) => {
          phases[phase] ??= [performance.now(), 0];
          phases[phase][1] = performance.now();
        },
      });
      const { warnings, memory } = model.info;
      await model.dispose();
      const seconds = Object.entries(phases).map(([phase, [from, to]]) => [phase, (to - from) / 1000]);
      return { warnings, memory, seconds: Object.fromEntries(seconds) };
    }, models.url);
    clearInterval(watching);
    const seconds = (Date.now() - start) / 1000;
    t.diagnostic(
      `${round}: ${((peak - idle) / 1e6).toFixed(0)} MB over the idle page's ${(idle / 1e6).toFixed(0)} MB, ${seconds.toFixed(0)} s, ${JSON.stringify(found)}`,
    );
    assert.deepEqual(found.warnings, []);
    assert.ok(peak - idle <= LIMIT, `${peak - idle} bytes over the idle page's ${idle}`);
  }
  assert.equal(models.requests.at(-1).range.join(), "0,0");
});

/** The process of the browser's only page: of those that run pages, the one that holds most. */
function rendererOf(profile) {
  const processes = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((name) => ({
      pid: Number(name),
      command: read(`/proc/${name}/cmdline`),
      stat: read(`/proc/${name}/stat`),
    }));
  const parent = ({ stat }) => Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  const below = new Set(processes.filter(({ command }) => command.includes(profile)).map(({ pid }) => pid));
  for (let size = 0; size !== below.size;) {
    size = below.size;
    for (const process of processes) if (below.has(parent(process))) below.add(process.pid);
  }
  const renderers = processes.filter(
    ({ pid, command }) => below.has(pid) && command.includes("--type=renderer"),
  );
  return renderers.sort((one, other) => memoryOf(other.pid) - memoryOf(one.pid))[0].pid;
}

/** Empty where a process has ended. */
function read(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
