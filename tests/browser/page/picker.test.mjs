// Choosing a model: what each takes, how to hold it, how loading goes, what is kept, and what may go wrong.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { card, useMockSite } from "./mock-site.mjs";
import { complaints, SHIPPED_MODEL } from "./page.mjs";

const site = useMockSite();

const MEASURED = JSON.parse(readFileSync(join(SHIPPED_MODEL, "quantisation.json"), "utf8"));
const PHONE = { vendor: "qualcomm", deviceMemory: 4, mobile: true, binding: 2 ** 27 };
const SLOW = 150;

const press = (within, name) => within.getByRole("button", { name }).click();
const words = (locator) => locator.innerText().then((text) => text.replace(/\s+/g, " "));
const keptQ4 = (more) => ({
  source: "hf:ByteDance/Ouro-1.4B",
  format: "q4",
  bytes: 908_000_000,
  complete: true,
  progress: 1,
  lastUsed: Date.now(),
  ...more,
});

test("every card says what its model takes, and nothing loads by itself", async () => {
  const page = await site.open();
  const ouro = await words(card(page, "Ouro-1.4B"));
  for (const said of ["1.43 billion", "2.7 GiB", "Apache-2.0", "866 MiB weights", "1.5 GiB keys and values"])
    assert.ok(ouro.includes(said), `${said}: ${ouro}`);
  assert.match(ouro, /about 16 GiB of memory: it should fit/);
  for (const title of [
    "Ouro-1.4B-Thinking",
    "Ouro-2.6B",
    "Ouro-2.6B-Thinking",
    "The shell game",
    "Who is who",
  ])
    assert.equal(
      await card(page, title)
        .getByRole("button", { name: `Load ${title}` })
        .count(),
      1,
      title,
    );
  await page.waitForTimeout(300);
  assert.equal(await page.getByTestId("opening").count(), 0);
  await page.getByRole("link", { name: "Watch" }).click();
  assert.equal(await page.getByTestId("model-name").innerText(), "shell-game");
  await page.getByRole("link", { name: "Models", exact: true }).click();
  await card(page, "The shell game").getByRole("link", { name: "In use: go to it" }).waitFor();
  // Nor is what comes with the page kept a second time.
  await page.getByText("Nothing yet.").waitFor();
});

test("format and context change the memory, by keyboard too, and are remembered", async () => {
  const page = await site.open();
  const ouro = card(page, "Ouro-1.4B");
  const total = () => ouro.getByTestId("memory-needed").locator("strong").innerText();
  assert.equal(await total(), "2.4 GiB");
  await ouro.getByText("4 bits, 2,048 tokens of context").click();
  await ouro.getByRole("radio", { name: /^8 bits/ }).check();
  assert.equal(await total(), "3.1 GiB");
  await ouro.getByRole("slider", { name: "Context length" }).press("ArrowRight");
  assert.equal(await total(), "4.6 GiB");
  assert.equal(await ouro.getByRole("slider").getAttribute("aria-valuetext"), "4,096 tokens, 3 GiB");
  await ouro.getByRole("radio", { name: /^32 bits/ }).check();
  assert.equal(await total(), "7.6 GiB");
  // Another model has settings of its own.
  assert.match(await words(card(page, "Ouro-2.6B")), /4 bits, 2,048 tokens of context/);
  await page.reload();
  assert.equal(await total(), "7.6 GiB");
});

test("a model loads in parts that are shown, and then it can be talked to", async () => {
  const page = await site.open({ double: { pause: SLOW } });
  const ouro = card(page, "Ouro-1.4B-Thinking");
  await press(ouro, /^Load/);
  const opening = ouro.getByTestId("opening");
  await opening.getByText("Downloading, and converting to q4 on the way").waitFor();
  assert.match(await words(opening), /of 2\.7 GiB, \d[\d.]* [KMG]iB\/s/);
  assert.match(await words(opening), /stays if you cancel/);
  const current = () => opening.locator("[aria-current]").innerText();
  assert.equal(await current(), "Download and convert");
  assert.ok((await opening.getByRole("progressbar").getAttribute("value")) !== null);
  await page.waitForFunction(() => document.querySelector('[data-phase="weights"]'));
  assert.equal(await current(), "Bring it to the GPU");

  await page.getByRole("heading", { name: "Talk to it" }).waitFor();
  assert.equal(await page.evaluate(() => location.hash), "#watch");
  assert.equal(await page.getByTestId("model-name").innerText(), "Ouro-1.4B-Thinking");
  // No measurement came with it, so nothing is claimed.
  assert.equal(await words(page.getByTestId("badge")), "q4 weights in 4 bits");
  const thinking = page.getByRole("switch", { name: /Thinking/ });
  assert.equal(await thinking.isChecked(), true);
  await thinking.press("Space");
  assert.equal(await thinking.isChecked(), false);
  await page.getByRole("textbox", { name: /message/ }).fill("What is a loop?");
  await page.keyboard.press("Enter");
  await page.locator('[data-testid="answer"][data-state="done"]').waitFor();
});

test("cancelling keeps what has come, and the next load goes on from there", async () => {
  const page = await site.open({ double: { pause: SLOW } });
  const ouro = card(page, "Ouro-2.6B");
  await press(ouro, /^Load/);
  await page.waitForFunction(() => document.querySelector('[data-phase="download"] progress')?.value > 0.2);
  await ouro.getByRole("button", { name: "Cancel" }).press("Enter");
  const kept = Number(/(\d+) % of it is here/.exec(await words(ouro.getByTestId("kept")))[1]);
  assert.ok(kept >= 15 && kept < 100, `${kept} %`);
  const row = page.getByTestId("kept-model");
  assert.match(await words(row), new RegExp(`Ouro-2.6B q4.* ${kept} % of it; used today`));

  // The keyboard stays where it is, whatever stands there now.
  assert.match(await page.evaluate(() => document.activeElement.ariaLabel), /Ouro-2\.6B/);
  await page.keyboard.press("Enter");
  const bar = ouro.locator('[data-phase="download"] progress[value]');
  assert.ok(Number(await bar.getAttribute("value")) * 100 >= kept - 1);
  await page.getByRole("heading", { name: "Talk to it" }).waitFor();
});

test("what is kept is listed, loads without a download, and is deleted when asked twice", async () => {
  const other = { source: "https://models.test/my-model/", format: "q8", bytes: 3_000_000 };
  const page = await site.open({
    double: { pause: 20, kept: [keptQ4(), keptQ4(other)] },
    room: 10 * 2 ** 30,
  });
  const list = page.getByTestId("kept-model");
  assert.deepEqual(await list.locator(".kept-name").allInnerTexts(), ["Ouro-1.4B q4", "my-model q8"]);
  assert.match(await words(card(page, "Ouro-1.4B")), /In this browser, 4 bits: 866 MiB/);
  await page.getByText("0 B of the 10 GiB that this browser gives").waitFor();

  await press(page, "Delete my-model, q8");
  await press(page, "Really delete my-model, q8");
  await page.waitForFunction(() => document.querySelectorAll('[data-testid="kept-model"]').length === 1);

  await press(page, "Load Ouro-1.4B, q4");
  await page.getByRole("heading", { name: "Talk to it" }).waitFor();
  assert.equal(await page.getByRole("link", { name: "Watch" }).getAttribute("aria-current"), "page");
});

test("everything that is kept can be deleted at once", async () => {
  const page = await site.open({ double: { kept: [keptQ4(), keptQ4({ format: "q8" })] } });
  await press(page, "Delete all");
  assert.equal(await page.getByTestId("kept-model").count(), 2);
  await press(page, /Really delete 2 models/);
  await page.getByText("Nothing yet.").waitFor();
});

test("without memory for it, smaller ways are one press away", async () => {
  const page = await site.open({ double: { fail: { code: "out-of-memory", details: { needed: 3e8 } } } });
  const ouro = card(page, "Ouro-1.4B");
  await ouro.getByText("4 bits, 2,048").click();
  await ouro.getByRole("radio", { name: /^16 bits\b.*GiB Half/ }).check();
  await press(ouro, /^Load/);
  const alert = ouro.getByRole("alert");
  assert.match(await words(alert), /no memory left[\s\S]*286 MiB more/);
  assert.equal(
    await alert.getByRole("button", { name: "Take 1,024 tokens of context (768 MiB less)" }).count(),
    1,
  );
  await press(alert, "Take 8 bits instead (1.6 GiB)");
  await page.getByRole("heading", { name: "Talk to it" }).waitFor();
  assert.equal(await words(page.getByTestId("badge")), "q8 weights in 8 bits");
});

test("without memory for it, what would fit is one press away", async () => {
  const details = { needed: 3e8, suggestion: { format: "q8", contextLength: 542 } };
  const page = await site.open({ double: { fail: { code: "out-of-memory", details } } });
  const ouro = card(page, "Ouro-1.4B");
  await ouro.getByText("4 bits, 2,048").click();
  await ouro.getByRole("radio", { name: /^16 bits\b.*GiB Half/ }).check();
  await press(ouro, /^Load/);
  const alert = ouro.getByRole("alert");
  assert.match(await words(alert), /286 MiB more were needed. What fits: 8 bits and 542 tokens of context/);
  await press(alert, "Take 8 bits and 542 tokens of context");
  await page.getByRole("heading", { name: "Talk to it" }).waitFor();
  assert.equal(await words(page.getByTestId("badge")), "q8 weights in 8 bits");
});

test("after a broken connection, trying again goes on where it stopped", async () => {
  const page = await site.open({ double: { pause: 60, fail: { code: "network", at: 0.6 } } });
  const ouro = card(page, "Ouro-1.4B");
  await press(ouro, /^Load/);
  const alert = ouro.getByRole("alert");
  await alert.getByText("goes on where it stopped").waitFor();
  await press(alert, "Try again");
  const bar = ouro.locator('[data-phase="download"] progress[value]');
  assert.ok(Number(await bar.getAttribute("value")) >= 0.55);
  await page.getByRole("heading", { name: "Talk to it" }).waitFor();
});

test("where the browser has no room to keep it, that is said before and after", async () => {
  const warning = "The model was loaded without the cache: this browser gives no more room for it.";
  const page = await site.open({ double: { warnings: [warning] }, room: 2 ** 29 });
  const ouro = card(page, "Ouro-1.4B");
  await ouro.getByText("has room for 512 MiB more: it will load, but not be kept").waitFor();
  await press(ouro, /^Load/);
  await page.getByRole("region", { name: "Model in use" }).getByText(warning).waitFor();
});

test("what is too large for a phone says so, and what would fit", async () => {
  const page = await site.open({ machine: PHONE });
  const ouro = card(page, "Ouro-2.6B-Thinking");
  assert.match(await words(ouro), /Too large: this machine has about 4 GiB/);
  assert.equal(await ouro.getByRole("button", { name: "Load anyway: Ouro-2.6B-Thinking" }).count(), 1);
  await press(ouro, "Take 4 bits, 2,048 tokens of context: fits");
  assert.equal(await ouro.getByTestId("memory-needed").getAttribute("data-verdict"), "tight");
  await ouro.getByText("4 bits, 2,048 tokens").click();
  await ouro.getByText("this GPU reads no more than 128 MiB at once").waitFor();
});

test("a large model of one’s own is looked at before it is loaded, a small one opens at once", async () => {
  const page = await site.open();
  const config = {
    model_type: "ouro",
    num_hidden_layers: 24,
    hidden_size: 2048,
    intermediate_size: 5632,
    num_attention_heads: 16,
    vocab_size: 49_152,
    max_position_embeddings: 65_536,
  };
  await page.route("https://models.test/**", (route) =>
    route.fulfill({ json: config, headers: { "access-control-allow-origin": "*" } }),
  );
  const address = page.getByRole("textbox", { name: /Address/ });
  await address.fill("https://models.test/mine/");
  await page.keyboard.press("Enter");
  const mine = card(page, "mine");
  assert.match(await words(mine), /about 2\.7 GiB.*2\.4 GiB of memory/);
  assert.equal(await mine.evaluate((element) => element === document.activeElement), true);

  const folder = await mkdtemp(join(tmpdir(), "looplm-folder-"));
  await writeFile(join(folder, "config.json"), JSON.stringify(config));
  await page.getByLabel("Choose a model’s folder").setInputFiles(folder);
  await page.getByText("from this machine, nothing to download").waitFor();

  await rm(folder, { recursive: true });

  // The page of a model that has a card already leads to its card.
  await address.fill("huggingface.co/ByteDance/Ouro-2.6B");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.activeElement?.textContent.startsWith("Ouro-2.6B"));

  await page.route("https://small.test/**", (route) =>
    route.fulfill({ json: {}, headers: { "access-control-allow-origin": "*" } }),
  );
  await address.fill("https://small.test/tiny");
  await page.keyboard.press("Enter");
  await page.locator(".chooser").getByText("tiny").waitFor();
});

test("what a smaller format changes of a model that came with a measurement is on its badge, step by step", async () => {
  const page = await site.open();
  const game = card(page, "The shell game");
  await game.getByText("Weights as stored").click();
  await game.getByRole("radio", { name: /^4 bits/ }).check();
  await press(game, "Load The shell game");
  const badge = page.getByTestId("badge");
  const { q4 } = MEASURED.formats;
  const agreed = `${(q4.top1.at(-1) * 100).toFixed(1)} %`;
  assert.equal(await words(badge.locator("summary")), `q4 ${agreed} as in full precision`);
  await badge.locator("summary").press("Enter");
  const rows = await badge.getByRole("row").allInnerTexts();
  assert.equal(rows.length, 1 + q4.top1.length);
  assert.match(rows[1], new RegExp(`^1\\s+${(q4.top1[0] * 100).toFixed(1)} %`));
});

test("a conversation is only given up for another model when that is wanted", async () => {
  const page = await site.open();
  await press(card(page, "Ouro-1.4B"), /^Load/);
  await page.getByRole("heading", { name: "Talk to it" }).waitFor();
  await page.getByRole("textbox", { name: /message/ }).fill("What is a loop?");
  await page.keyboard.press("Enter");
  await page.locator('[data-testid="answer"][data-state="done"]').waitFor();

  const game = page.locator(".chooser-model", { hasText: "The shell game" });
  await game.click();
  const dialog = page.getByRole("dialog", { name: "Close Ouro-1.4B?" });
  assert.match(await words(dialog), /your conversation with it is lost/);
  // It sees no more than the dialog, as everybody.
  assert.deepEqual(await complaints(page, 5), []);
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "hidden" });
  assert.equal(await page.getByTestId("model-name").innerText(), "Ouro-1.4B");
  await game.click();
  await press(dialog, "Open shell-game");
  await page.waitForFunction(
    () => document.querySelector('[data-testid="model-name"]')?.textContent === "shell-game",
  );
});

test("a GPU that goes away is spoken of while the model is brought back", async () => {
  const page = await site.open({ hash: "" });
  await page.locator('[data-testid="answer"][data-state="done"]').waitFor();
  const banner = page.getByTestId("loss");
  assert.equal(await words(banner), "");
  await page.evaluate(() => globalThis.looplmDouble.lose(true));
  await banner.getByText("The GPU was reset. Bringing shell-game back…").waitFor();
  await banner.getByText("shell-game is back").waitFor();
  await page.evaluate(() => globalThis.looplmDouble.lose(false));
  await press(banner, "Open shell-game again");
  await page.waitForFunction(() => !document.querySelector('[data-testid="loss"]').dataset.loss);
});

for (const colorScheme of ["light", "dark"]) {
  test(`has no accessibility faults that axe can find, ${colorScheme}`, async () => {
    const double = { kept: [keptQ4({ complete: false, progress: 0.4 })], fail: { code: "out-of-memory" } };
    const page = await site.open({ double, machine: PHONE, colorScheme });
    const ouro = card(page, "Ouro-1.4B");
    await ouro.getByText("4 bits, 2,048").click();
    await press(ouro, "Go on loading Ouro-1.4B");
    await ouro.getByRole("alert").waitFor();
    assert.deepEqual(await complaints(page), []);
  });
}

test("fits screens from 320 to 1900 pixels", async () => {
  const page = await site.open({ double: { kept: [keptQ4()] } });
  await card(page, "Ouro-1.4B").getByText("4 bits, 2,048").click();
  for (const width of [320, 360, 768, 1100, 1440, 1900]) {
    await page.setViewportSize({ width, height: 800 });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(wide <= width, `at ${width} the page is ${wide} pixels wide`);
  }
});
