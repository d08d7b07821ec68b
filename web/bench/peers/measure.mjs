// Contestants in a browser, each in a page of its own.
import { takeTurns, warmUp } from "./turns.mjs";

/** Subgroups that onnxruntime-web's kernels expect at least (see page.js). */
const LEAST_SUBGROUP = 8;

export async function measure({ browser, origin, model, contestants, ...run }) {
  const context = { browser, origin, model, run, adapter: null };
  const rows = [];
  for (const contestant of contestants) rows.push(await prepare(context, contestant));
  const able = rows.filter(({ failure }) => !failure);
  await takeTurns(able, model, run);
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
    contestants: rows.map(({ page: _, ask: __, ...row }) => row),
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
  if (!context.adapter) throw new Error("the browser finds no WebGPU adapter");
  const smallSubgroups = context.adapter.subgroupMinSize < LEAST_SUBGROUP;
  const hideSubgroups = smallSubgroups && ["onnxruntime", "transformers"].includes(name);
  const row = { name, exact, page, turns: {}, hideSubgroups };
  let atFirstToken;
  await page.exposeFunction("onFirstToken", () => atFirstToken());
  row.ask = async (ids, count, onFirst) => {
    await page.bringToFront();
    atFirstToken = onFirst;
    return page.evaluate(ask, [ids, count, onFirst && "onFirstToken"]);
  };
  try {
    const folder = `${origin}/${model.folder}`;
    const loaded = await page.evaluate(
      ([name, folder, options]) => window.bench.load(name, folder, options),
      [name, folder, { ...run.load, hideSubgroups }],
    );
    row.loadMs = loaded.ms;
    row.notes = [...loaded.notes, ...(hideSubgroups ? ["subgroups hidden from it"] : [])];
    row.coldFirstMs = await warmUp(row, model, run.lengths);
  } catch (error) {
    row.failure = String(error.message ?? error).split("\n")[0];
    console.error(`${name}: ${row.failure}`);
    await page.close();
  }
  return row;
}

/** Runs in the page. */
function ask([ids, tokens, onFirst]) {
  return window.bench.answer(ids, tokens, onFirst);
}
