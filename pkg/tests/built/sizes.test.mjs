// Of what `cargo xtask build` has made, without --fast: how much of it a page has to load.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { before, test } from "node:test";
import { INFERENCE_LIMIT, sizes, table, total } from "../../scripts/sizes.mjs";

before(() => {
  for (const file of ["looplm_bg.wasm", "looplm_chat_bg.wasm", "looplm_train_bg.wasm"]) {
    const there = existsSync(new URL(`../../dist/wasm/${file}`, import.meta.url));
    assert.ok(there, `dist/wasm/${file} is missing: run \`cargo xtask build\` first`);
  }
});

test("a page that runs models loads no more than it may", () => {
  const { inference } = sizes();
  const text = table(`limit: ${INFERENCE_LIMIT} bytes gzipped`, inference);
  assert.ok(total(inference) <= INFERENCE_LIMIT, text);
});

test("the sizes are of everything that runs models; chat templates and training are apart", () => {
  const { inference, chat, training } = sizes();
  const names = (files) => files.map(({ file }) => file);
  for (const file of ["index.js", "direct-engine.js", "wasm/looplm.js", "wasm/looplm_bg.wasm"]) {
    assert.ok(names(inference).includes(file), `${file} in ${names(inference)}`);
  }
  for (const file of ["trainer/direct-trainer.js", "wasm/looplm_train.js", "wasm/looplm_train_bg.wasm"]) {
    assert.ok(names(training).includes(file), `${file} in ${names(training)}`);
    assert.ok(!names(inference).includes(file), file);
  }
  assert.deepEqual(names(chat), ["wasm/looplm_chat_bg.wasm"]);
  assert.ok(!names(inference).includes("wasm/looplm_chat_bg.wasm"));
});
