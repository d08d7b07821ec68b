// The engine in a real browser, through the built package, against the PyTorch oracle.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { usePage } from "./browser.mjs";

const FIXTURES = new URL("../../fixtures/", import.meta.url);
const CASES = readdirSync(FIXTURES).sort();

/** max |difference| / max |reference| allowed: rounding of f32 sums; and of what 16-bit storage adds to it. */
function tolerance(name) {
  return name.startsWith("f32-") ? 1e-4 : 2e-3;
}

const tab = usePage();

test("there are at least six cases", () => assert.ok(CASES.length >= 6));

// Every case in the Worker; one of each kind in the page too: the two run the same wasm.
const RUNS = [
  ...CASES.map((name) => ({ name, worker: true })),
  ...CASES.filter((name) => ["f32-mha", "f16-gqa", "bf16-six-steps-tied"].includes(name)).map((name) => ({
    name,
    worker: false,
  })),
];

for (const { name, worker } of RUNS) {
  describe(`${name}, ${worker ? "in a Worker" : "in the page"}`, () => {
    const folder = new URL(`${name}/`, FIXTURES);
    for (const file of readdirSync(folder).filter((file) => file.endsWith(".safetensors"))) {
      test(`forward is as ${file} says`, async () => {
        const { worst, exits } = await tab.page.evaluate(
          async ([name, file, worker]) =>
            (await import("/in-page/parity.mjs")).compareForward(name, file, { worker }),
          [name, file, worker],
        );
        for (const [tensor, error] of Object.entries(worst)) {
          assert.ok(error <= tolerance(name), `${tensor}: ${error} > ${tolerance(name)}`);
        }
        assert.deepEqual(Object.keys(worst).sort(), ["exit_lambda", "exit_pdf", "hidden", "logits"]);
        assert.deepEqual(exits, []);
      });
    }

    test("greedy ids and exit steps are the oracle's", async () => {
      const wanted = greedyCases(JSON.parse(readFileSync(new URL("expected.json", folder), "utf8")));
      const results = await tab.page.evaluate(
        async ([name, wanted, worker]) =>
          (await import("/in-page/parity.mjs")).decodeGreedily(name, wanted, { worker }),
        [name, wanted, worker],
      );
      wanted.forEach(({ label, expected, maxNewTokens, prompt }, i) => {
        const { ids, exitSteps, finish } = results[i];
        const sure = sureTokens(expected);
        assert.ok(ids.length >= sure, `${label}: ended after ${ids.length} tokens (${finish.reason})`);
        assert.deepEqual(ids.slice(0, sure), expected.ids.slice(0, sure), `${label}: ids`);
        assert.deepEqual(
          exitSteps.slice(0, sure),
          expected.exit_steps.slice(0, sure),
          `${label}: exit steps`,
        );
        assert.equal(finish.reason, "length");
        assert.equal(finish.newTokens, maxNewTokens);
        assert.equal(finish.promptTokens, prompt.length);
      });
    });
  });
}

/** The oracle's greedy entries with every step's own cache, which is what the engine does while decoding. */
function greedyCases({ prompt, greedy, steps = {} }) {
  const entries = (table, steps) =>
    Object.entries(table)
      .filter(([key]) => key.startsWith("full:"))
      .map(([key, expected]) => ({
        label: steps === undefined ? key : `${key}, ${steps} steps`,
        prompt,
        q: Number(key.slice("full:".length)),
        ...(steps === undefined ? {} : { steps }),
        maxNewTokens: expected.ids.length,
        expected,
      }));
  return [
    ...entries(greedy),
    ...Object.entries(steps).flatMap(([n, { greedy }]) => entries(greedy, Number(n))),
  ];
}

/** Tokens before the first close choice, where two right implementations may part (tests/reference/README.md). */
function sureTokens({ ids, margins, gate_margins: gateMargins }) {
  const close = ids.findIndex((_, i) => margins[i] <= 1e-3 || gateMargins[i] <= 1e-3);
  return close === -1 ? ids.length : close;
}
