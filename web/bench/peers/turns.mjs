// Contestants answer the same prompts, in turns within each round. A contestant is a row of the report with `ask(ids, count, onFirst)`,
// which answers greedily and calls `onFirst`, if it is given, with the first token.
import { processorMs } from "./processor.mjs";

/** Tokens of the answer that makes a contestant compile what it compiles late. */
const WARM_UP = 3;

/** Asks about each prompt once: after that, all kernels are compiled. The milliseconds to the very first token. */
export async function warmUp(row, model, lengths) {
  const firsts = [];
  for (const length of lengths) {
    const { first } = await row.ask(promptOf(model, length).ids, WARM_UP, null);
    firsts.push(first);
  }
  return firsts[0];
}

/** Fills `row.turns`, by length of prompt and round. */
export async function takeTurns(rows, model, { lengths, rounds, tokens }) {
  for (const length of lengths) {
    const prompt = promptOf(model, length);
    for (const row of rows) row.turns[length] = [];
    for (let round = 0; round < rounds; round++) {
      for (const row of rows) row.turns[length].push(await turn(row, prompt, tokens));
    }
  }
}

function promptOf(model, length) {
  const prompt = model.prompts.find((prompt) => prompt.length === length);
  if (!prompt) throw new Error(`there is no prompt of ${length} tokens in bench.json`);
  return prompt;
}

async function turn(row, prompt, tokens) {
  let atFirst;
  const started = processorMs();
  const { ids, first, last } = await row.ask(prompt.ids, tokens, () => (atFirst = processorMs()));
  const ended = processorMs();
  if (ids.length !== tokens) throw new Error(`${row.name} said ${ids.length} tokens and not ${tokens}`);
  const expected = prompt.expected.slice(0, tokens);
  const differs = expected.findIndex((id, i) => id !== ids[i]);
  return {
    firstMs: first,
    tokenMs: (last - first) / (tokens - 1),
    firstProcessorMs: atFirst - started,
    tokenProcessorMs: (ended - atFirst) / (tokens - 1),
    ids,
    compared: expected.length,
    agreeing: differs === -1 ? expected.length : differs,
  };
}
