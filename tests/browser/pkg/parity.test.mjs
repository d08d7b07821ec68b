// The engine in a real browser, through the built package, against the PyTorch oracle.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { before, describe, test } from "node:test";
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
    const files = readdirSync(folder).filter((file) => file.endsWith(".safetensors"));
    const greedy = greedyCases(JSON.parse(readFileSync(new URL("expected.json", folder), "utf8")));
    let outcome;
    before(async () => {
      outcome = await tab.page.evaluate(
        async ([name, what]) => (await import("/in-page/parity.mjs")).runCase(name, what),
        [name, { files, greedy, load: { worker } }],
      );
    });

    for (const file of files) {
      test(`forward is as ${file} says`, () => {
        const { worst, exits } = outcome.forward[file];
        assertClose(worst, tolerance(name));
        assert.deepEqual(exits, []);
      });
    }

    test("greedy ids and exit steps are the oracle's", () => {
      greedy.forEach(({ label, expected, maxNewTokens, prompt }, i) => {
        const { ids, exitSteps, finish } = outcome.decoded[i];
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

describe("what the adapter offers changes nothing", () => {
  for (const [what, name, load] of [
    [
      "a smaller binding size splits the large tensors",
      "f16-vocab-1031",
      { maxBindingSize: 32_768, maxRows: 4 },
    ],
    ["small passes: a prompt prefilled in chunks", "f32-long", { maxRows: 7 }],
  ]) {
    test(what, async () => {
      const file = "expected.safetensors";
      const { forward } = await tab.page.evaluate(
        async ([name, what]) => (await import("/in-page/parity.mjs")).runCase(name, what),
        [name, { files: [file], greedy: [], load }],
      );
      assertClose(forward[file].worst, tolerance(name));
      assert.deepEqual(forward[file].exits, []);
    });
  }
});

function assertClose(worst, allowed) {
  assert.deepEqual(Object.keys(worst).sort(), ["exit_lambda", "exit_pdf", "hidden", "logits"]);
  for (const [tensor, error] of Object.entries(worst)) {
    assert.ok(error <= allowed, `${tensor}: ${error} > ${allowed}`);
  }
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
