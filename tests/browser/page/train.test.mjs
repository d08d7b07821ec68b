// The Train view: a very small run, from its settings to the model in the exit view.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { unzipSync } from "fflate";
import { answered, complaints, useSite } from "./page.mjs";

const site = useSite();

// Small enough for SwiftShader on a busy machine. Small batches would be slower: an evaluation is made of them.
const UPDATES = 40;
const NANO = `#train?hidden_size=16&num_hidden_layers=1&total_ut_steps=2&batch_size=64&updates=${UPDATES}`;

let page;
const opened = async () =>
  (page ??= await site.open({ viewport: { width: 1440, height: 900 } }, undefined, NANO));

const status = () => page.getByTestId("run-status");
const isNow = (wanted) => page.locator(`[data-testid="run-status"][data-status="${wanted}"]`).waitFor();
const updatesDone = async () => Number(await status().getAttribute("data-update"));
const button = (name) => page.getByRole("button", { name, exact: true });

test("offers presets with their example and does not train by itself", async () => {
  await opened();
  const presets = page.getByRole("radiogroup", { name: "What to learn" }).getByRole("radio");
  await presets.first().waitFor();
  assert.ok(await presets.first().isChecked(), "the first is chosen");
  assert.notEqual(await page.locator(".example dd").first().innerText(), "");
  assert.equal(await status().count(), 0);
  assert.equal(
    await page.getByRole("link", { name: "Train", exact: true }).getAttribute("aria-current"),
    "page",
  );
});

test("takes a shared link's settings, and says at a field what is wrong with it", async () => {
  await opened();
  const updates = page.getByLabel("updates", { exact: true });
  assert.equal(await updates.inputValue(), String(UPDATES));
  await updates.fill("0");
  assert.equal(await updates.getAttribute("aria-invalid"), "true");
  await page.getByText("A whole number from 1 to 1,000,000.").waitFor();
  assert.ok(await button("Train").isDisabled());
  await updates.fill(String(UPDATES));
  assert.ok(await button("Train").isEnabled());
  assert.equal(
    await page.evaluate(() => new URLSearchParams(location.hash.slice(7)).get("updates")),
    String(UPDATES),
  );
});

test("trains, pauses and steps", async () => {
  await opened();
  await button("Train").click();
  await isNow("running");
  await page.waitForFunction(() => /^[1-9]/.test(document.querySelector(".run-facts dd").textContent));
  await button("Pause").click();
  await isNow("paused");
  const before = await updatesDone();
  assert.ok(before >= 1 && before < UPDATES, `paused at ${before}`);
  await button("Step").click();
  await page.waitForFunction(
    (done) => document.querySelector('[data-status="paused"]')?.dataset.update === String(done),
    before + 1,
  );
});

test("survives a reload, and goes on where it was", async () => {
  await opened();
  const before = await updatesDone();
  await page.reload();
  await isNow("kept");
  assert.equal(await updatesDone(), before);
  await button("Continue").click();
  await isNow("done");
  assert.equal(await updatesDone(), UPDATES);
  const heat = page.getByTestId("heat");
  assert.equal(Number(await heat.getAttribute("data-update")), UPDATES);
  assert.ok((await heat.locator("tbody tr").count()) >= 2, "a row for each difficulty");
  await page.locator("section.chart", { hasText: "Loss of every loop" }).getByText("As a table").click();
  const rows = page.locator("section.chart table tbody tr");
  assert.ok((await rows.count()) >= 3, "the chart's numbers as a table");
});

test("trains the same parameters without the loop beside it", async () => {
  await opened();
  await page.getByTestId("twin").click();
  await page.locator(".run h2", { hasText: "T\u00a0=\u00a01" }).waitFor();
  await isNow("done");
  await page.getByRole("button", { name: "run 1" }).first().click();
  await page.locator(".heat th.other", { hasText: "run 2" }).waitFor();
  assert.match(await page.locator(".chart-legend").first().innerText(), /step 2[\s\S]*run 2/);
});

test("teaches the gate and shows what each threshold gives", async () => {
  await opened();
  await page.getByTestId("teach").click();
  const result = page.getByTestId("gate-result");
  await result.waitFor();
  await isNow("done");
  assert.match(await result.innerText(), /At q = \d\.\d\d a token takes \d\.\d of 2 steps/);
  await result.getByText("As a table").click();
  assert.ok((await result.locator(".chart-table tbody tr").count()) >= 5);
});

test("has no accessibility faults that axe can find, and fits narrow screens", async () => {
  await opened();
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    assert.deepEqual(await complaints(page), [], colorScheme);
  }
  for (const width of [320, 768, 1440]) {
    await page.setViewportSize({ width, height: 900 });
    const scrollWidth = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(scrollWidth <= width, `the page is ${scrollWidth} pixels wide at ${width}`);
  }
});

test("removes a run only when asked twice", async () => {
  await opened();
  const rows = page.locator(".runs-table tbody tr");
  assert.equal(await rows.count(), 2);
  await page.getByRole("button", { name: /^Remove run 2/ }).click();
  assert.equal(await rows.count(), 2);
  await page.getByRole("button", { name: /^Really remove run 2/ }).click();
  await page.waitForFunction(() => document.querySelectorAll(".runs-table tbody tr").length === 1);
});

test("downloads the model as a folder in a zip", async () => {
  await opened();
  const download = page.waitForEvent("download");
  await page.getByTestId("download").click();
  const file = await download;
  const name = file.suggestedFilename().replace(/\.zip$/, "");
  const files = unzipSync(new Uint8Array(readFileSync(await file.path())));
  const config = JSON.parse(new TextDecoder().decode(files[`${name}/config.json`]));
  assert.equal(config.model_type, "ouro");
  assert.equal(config.hidden_size, 16);
  const weights = files[`${name}/model.safetensors`];
  const length = Number(new DataView(weights.buffer, weights.byteOffset).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(weights.subarray(8, 8 + length)));
  assert.ok("model.embed_tokens.weight" in header, Object.keys(header).join(" "));
});

test("opens the model in the exit view", async () => {
  await opened();
  await page.getByTestId("watch-model").click();
  await page.getByTestId("model-name").waitFor();
  await answered(page);
  assert.equal(await page.evaluate(() => location.hash), "#watch");
  assert.equal(
    await page.getByRole("link", { name: "Watch", exact: true }).getAttribute("aria-current"),
    "page",
  );
});
