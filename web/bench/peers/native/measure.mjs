// Contestants in processes of their own.
import { ROOT } from "../serve.mjs";
import { takeTurns, warmUp } from "../turns.mjs";
import { start } from "./contestant.mjs";
import { placements, summary } from "./placements.mjs";

export async function measureNatively({ model, contestants, load, verbose, ...run }) {
  const rows = [];
  for (const contestant of contestants) rows.push(await prepare(contestant, model, run, verbose));
  const able = rows.filter(({ failure }) => !failure);
  await takeTurns(able, model, run);
  for (const { stop } of able) await stop();
  return {
    size: model.size,
    parameters: model.parameters,
    adapter: rows.find(({ adapter }) => adapter)?.adapter ?? {
      description: "adapter not known without looplm",
    },
    tokens: run.tokens,
    rounds: run.rounds,
    load,
    contestants: rows.map(({ ask: _, stop: __, ...row }) => row),
  };
}

/** Starts a contestant and asks it once. */
async function prepare({ name, program: [command, args] }, model, { lengths }, verbose) {
  const row = { name, exact: true, turns: {} };
  try {
    const { ms, notes, adapter, ask, stop } = await start(command, args, { cwd: ROOT, verbose });
    Object.assign(row, { loadMs: ms, notes, adapter, ask, stop });
    row.coldFirstMs = await warmUp(row, model, lengths);
  } catch (error) {
    row.failure = String(error.message ?? error).split("\n")[0];
    await row.stop?.();
    console.error(`${name}: ${error.message ?? error}`);
  }
  if (!row.failure && command === "node") {
    row.placements = placements(command, args, ROOT);
    row.notes.push(summary(row.placements));
  }
  return row;
}
