// The package in an application bundled by webpack 5, without any configuration for it. (Vite's turn is the page, web/.)
import assert from "node:assert/strict";
import { mkdtempSync, statSync } from "node:fs";
import { readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import webpack from "webpack";
import { usePage } from "../pkg/browser.mjs";

const WASM = new URL("../../../pkg/dist/wasm/", import.meta.url);
const folder = mkdtempSync(join(tmpdir(), "looplm-webpack-"));
const tab = usePage({ folders: { "/app/": folder } });
after(() => rm(folder, { recursive: true }));

test("a webpack application runs a model in a Worker", async () => {
  const { page, origin } = tab;
  await bundle(fileURLToPath(new URL("app.mjs", import.meta.url)), folder);
  const files = await readdir(folder);
  // Of what runs models and chat templates one each. The application does not train, so nothing of that comes along.
  const wasm = files.filter((file) => file.endsWith(".wasm"));
  assert.deepEqual(
    wasm.map((file) => statSync(join(folder, file)).size).sort((a, b) => a - b),
    ["looplm_chat_bg.wasm", "looplm_bg.wasm"].map((file) => statSync(new URL(file, WASM)).size),
  );
  assert.ok(files.filter((file) => file.endsWith(".js")).length >= 2, `the Worker's script in ${files}`);

  await writeFile(join(folder, "index.html"), '<!doctype html><body><script src="main.js"></script>');
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  await page.goto(`${origin}/app/index.html?model=/fixtures/f32-mha/model`);
  await page.waitForFunction(() => document.body.textContent.startsWith("{"), undefined, { timeout: 60_000 });
  assert.deepEqual(errors, []);
  const { vocabSize, exitSteps } = JSON.parse(await page.textContent("body"));
  assert.equal(vocabSize, 48);
  assert.equal(exitSteps.length, 3);
  assert.equal(page.workers().length, 1);
});

async function bundle(entry, folder) {
  const compiler = webpack({ mode: "production", entry, output: { path: folder } });
  const stats = await new Promise((resolve, reject) =>
    compiler.run((error, stats) => (error ? reject(error) : resolve(stats))),
  );
  await new Promise((resolve) => compiler.close(resolve));
  assert.ok(!stats.hasErrors(), stats.toString("errors-only"));
  assert.ok(!stats.hasWarnings() || onlySize(stats), stats.toString("errors-warnings"));
}

/** webpack warns of any file above 244 KiB; the wasm is. */
function onlySize(stats) {
  return stats.compilation.warnings.every(({ message }) => /size limit|code splitting/.test(message));
}
