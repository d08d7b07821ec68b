// Opening other models: by address and by folder, and what happens when that fails.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { answered, ask, exitSteps, FIXTURES, SHIPPED_MODEL, useSite } from "./page.mjs";

const site = useSite();
const fixture = readdirSync(FIXTURES, { withFileTypes: true }).find((entry) => entry.isDirectory()).name;

/** The page on which models are chosen. */
const models = (page) => page.getByRole("link", { name: "Models", exact: true }).click();
const watch = (page) => page.getByRole("link", { name: "Watch", exact: true }).click();

async function openAddress(page, address) {
  await models(page);
  await page.getByRole("textbox", { name: /address/i }).fill(address);
  await page.getByRole("button", { name: "Open", exact: true }).click();
}

/** Waits for an alert that says this, and gives all its words. */
async function explained(page, words) {
  const alert = page.getByRole("alert").filter({ hasText: words });
  await alert.waitFor();
  return alert.innerText();
}

test("a wrong address is explained, and the open model stays in use", async () => {
  const page = await site.shared();
  await openAddress(page, `${site.origin}/models/nothing-here/`);
  const words = await explained(page, /there is no model here/i);
  assert.match(words, /config\.json/);
  assert.match(words, /shell-game stays open/);

  await watch(page);
  await ask(page, "left left");
  assert.equal(await page.getByTestId("answer").getAttribute("data-answer"), "312");
});

test("a server in trouble and a connection that breaks are explained", async () => {
  const page = await site.shared();
  for (const [what, words] of [
    ["500", /did not hand out the model[\s\S]*500/i],
    ["cut", /connection failed/i],
  ]) {
    await openAddress(page, `${site.origin}/fail/${what}/model.safetensors/models/shell-game/`);
    await explained(page, words);
    await watch(page);
  }
});

test("a folder without weights is refused in plain words", async () => {
  const page = await site.shared();
  await page.evaluate(
    ([name, text]) => {
      const data = new DataTransfer();
      data.items.add(new File([text], name));
      window.dispatchEvent(new DragEvent("drop", { dataTransfer: data, cancelable: true }));
    },
    ["config.json", readFileSync(join(SHIPPED_MODEL, "config.json"), "utf8")],
  );
  const words = await explained(page, /a file of the model is missing/i);
  assert.match(words, /model\.safetensors/);
  assert.match(words, /shell-game stays open/);
});

test("a chosen folder opens", async () => {
  const page = await site.shared();
  await models(page);
  await page.getByLabel("Choose a model’s folder").setInputFiles(SHIPPED_MODEL);
  await page.getByRole("button", { name: "Back to shell-game" }).waitFor();
  await answered(page);
  assert.equal(await page.getByTestId("model-name").innerText(), "shell-game");
});

// Last: it leaves another model open.
test("a model that generates streams its tokens into the same view, and stops when told", async () => {
  const page = await site.shared();
  await openAddress(page, `${site.origin}/fixtures/${fixture}/model/`);
  const box = page.getByRole("textbox", { name: /prompt/i });
  await page.getByText("no tokenizer.json").waitFor();
  await page.getByLabel("max new tokens").fill("6");
  await page.getByLabel("max new tokens").blur();
  await box.fill("1, 2, 3");
  await page.getByRole("button", { name: "Ask" }).click();
  await answered(page);
  const exits = await exitSteps(page);
  assert.ok(exits.length >= 1 && exits.length <= 6);
  const tokens = (await page.getByTestId("answer").innerText()).trim().split(/\s+/);
  assert.equal(tokens.length, exits.length);
  // Two prompt tokens have guesses (the first has nothing before it), which come once the answer is there, and then every
  // token of the answer.
  await page.waitForFunction(
    (count) => document.querySelectorAll('[role="columnheader"]').length === count,
    1 + 2 + exits.length,
  );

  await page.getByLabel("max new tokens").fill("200");
  await page.getByLabel("max new tokens").blur();
  await box.fill("4 5");
  await page.getByRole("button", { name: "Ask" }).click();
  await page.getByRole("button", { name: "Stop" }).click();
  await answered(page);
  assert.ok((await exitSteps(page)).length < 200);

  await box.fill("1 two");
  await page.getByText("“two” is not a token id").waitFor();
});
