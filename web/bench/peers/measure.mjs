// Contestants answer the same prompts, in turns within each round, each in a page of its own.
import { processorMs } from "./processor.mjs";

/** Tokens of the answer that makes a contestant compile what it compiles late. */
const WARM_UP = 3;
/** Subgroups that onnxruntime-web's kernels expect at least (see page.js). */
const LEAST_SUBGROUP = 8;

export async function measure({ browser, origin, model, contestants, ...run }) {
  const context = { browser, origin, model, run, adapter: null };
  const rows = [];
  for (const contestant of contestants) rows.push(await prepare(context, contestant));
  const able = rows.filter(({ failure }) => !failure);
  for (const length of run.lengths) {
    const prompt = model.prompts.find((prompt) => prompt.length === length);
    if (!prompt) throw new Error(`there is no prompt of ${length} tokens in bench.json`);
    for (const row of able) row.turns[length] = [];
    for (let round = 0; round < run.rounds; round++) {
      for (const row of able) row.turns[length].push(await turn(row, prompt, run.tokens));
    }
  }
  for (const { page } of able) {
    await page.evaluate(() => window.bench.dispose());
    await page.close();
  }
  return {
    size: model.size,
    parameters: model.parameters,
    adapter: context.adapter,
    tokens: run.tokens,
    rounds: run.rounds,
    load: run.load,
    contestants: rows.map(({ page: _, ...row }) => row),
  };
}

/** Loads a contestant and asks it once: after that, all its kernels are compiled. */
async function prepare(context, { name, exact }) {
  const { browser, origin, model, run } = context;
  const page = await browser.newPage();
  page.setDefaultTimeout(0);
  page.on("pageerror", (error) => console.error(`${name}: ${error}`));
  if (run.verbose) page.on("console", (message) => console.error(`${name}: ${message.text()}`));
  await page.goto(`${origin}/web/bench/peers/index.html`);
  await page.waitForFunction(() => window.bench);
  context.adapter ??= await page.evaluate(() => window.bench.adapter());
  if (!context.adapter) throw new Error("Chromium finds no WebGPU adapter");
  const smallSubgroups = context.adapter.subgroupMinSize < LEAST_SUBGROUP;
  const hideSubgroups = smallSubgroups && ["onnxruntime", "transformers"].includes(name);
  const row = { name, exact, page, turns: {}, hideSubgroups };
  await page.exposeFunction("onFirstToken", () => (row.firstToken = processorMs()));
  try {
    const folder = `${origin}/${model.folder}`;
    const loaded = await page.evaluate(
      ([name, folder, options]) => window.bench.load(name, folder, options),
      [name, folder, { ...run.load, hideSubgroups }],
    );
    row.loadMs = loaded.ms;
    row.notes = [...loaded.notes, ...(hideSubgroups ? ["subgroups hidden from it"] : [])];
    for (const length of run.lengths) {
      const prompt = model.prompts.find((prompt) => prompt.length === length);
      const { first } = await page.evaluate(ask, [prompt.ids, WARM_UP, null]);
      row.coldFirstMs ??= first;
    }
  } catch (error) {
    row.failure = String(error.message ?? error).split("\n")[0];
    console.error(`${name}: ${row.failure}`);
    await page.close();
  }
  return row;
}

async function turn(row, prompt, tokens) {
  await row.page.bringToFront();
  const started = processorMs();
  const { ids, first, last } = await row.page.evaluate(ask, [prompt.ids, tokens, "onFirstToken"]);
  const ended = processorMs();
  if (ids.length !== tokens) throw new Error(`${row.name} said ${ids.length} tokens and not ${tokens}`);
  const expected = prompt.expected.slice(0, tokens);
  const differs = expected.findIndex((id, i) => id !== ids[i]);
  return {
    firstMs: first,
    tokenMs: (last - first) / (tokens - 1),
    firstProcessorMs: row.firstToken - started,
    tokenProcessorMs: (ended - row.firstToken) / (tokens - 1),
    ids,
    compared: expected.length,
    agreeing: differs === -1 ? expected.length : differs,
  };
}

/** Runs in the page. */
function ask([ids, tokens, onFirst]) {
  return window.bench.answer(ids, tokens, onFirst);
}
