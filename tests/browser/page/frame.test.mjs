// What stands around the model and needs none: the theme, the skip link, the links.
import assert from "node:assert/strict";
import { test } from "node:test";
import { useSite } from "./page.mjs";

// Without WebGPU, so that no engine starts.
const site = useSite({ webgpu: false });

test("the theme button overrules the system and is remembered", async () => {
  const page = await site.open({ colorScheme: "light" });
  await page.getByRole("button", { name: "Switch to the dark theme" }).click();
  const theme = () => page.evaluate(() => document.documentElement.dataset.theme);
  assert.equal(await theme(), "dark");
  await page.reload();
  await page.getByRole("button", { name: "Switch to the light theme" }).waitFor();
  assert.equal(await theme(), "dark");
});

test("the skip link leads to the model", async () => {
  const page = await site.open();
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent.trim()), "Skip to the model");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "main");
});

test("says what it is, in its language, with the way to the docs", async () => {
  const page = await site.open();
  assert.equal(await page.locator("html").getAttribute("lang"), "en");
  await page.getByRole("heading", { level: 1, name: "looplm" }).waitFor();
  const docs = await page.getByRole("link", { name: "Docs" }).getAttribute("href");
  assert.ok(docs.startsWith("https://"));
});
